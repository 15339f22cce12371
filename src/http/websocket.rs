//! WebSocket over HTTP/2 (RFC 8441): an extended CONNECT, read as the HTTP/1.1 upgrade that it stands for.
//!
//! Towards the endpoint the gateway is the WebSocket client that shakes hands (RFC 6455 §4.1): HTTP/2 has no key of its own.

use std::rc::Rc;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use h2::ext::Protocol;
use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::{Method, Request, Version};
use sha1::{Digest, Sha1};
use tokio::sync::oneshot;

use super::conn::RawIo;
use super::http2::{Notes, StreamIo};
use super::incoming::Incoming;

/// What a server mixes into its answer (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake {
    stream: oneshot::Receiver<StreamIo<Rc<Notes>>>,
    key: String,
}

impl Handshake {
    /// Takes the request for one out of an HTTP/2 request, which is a `GET` from then on. Any other CONNECT stays
    /// what it is.
    #[must_use]
    pub fn take(request: &mut Request<Incoming>) -> Option<Self> {
        let protocol = request.extensions().get::<Protocol>()?;
        let is_websocket = request.method() == Method::CONNECT
            && request.version() == Version::HTTP_2
            && protocol.as_str().eq_ignore_ascii_case("websocket");
        if !is_websocket {
            return None;
        }
        let Incoming::Connect(stream) = std::mem::replace(request.body_mut(), Incoming::Nothing) else {
            return None;
        };
        let random = || RandomState::new().build_hasher().finish().to_be_bytes();
        let key = base64([random(), random()].as_flattened());
        *request.method_mut() = Method::GET;
        Some(Self { stream, key })
    }

    /// The protocol to upgrade to.
    #[must_use]
    pub fn protocol() -> HeaderValue {
        HeaderValue::from_static("websocket")
    }

    /// Says in a request's head what HTTP/1.1 needs to hear.
    pub fn ask(&self, fields: &mut HeaderMap) {
        if let Ok(key) = HeaderValue::try_from(self.key.as_str()) {
            fields.insert(SEC_WEBSOCKET_KEY, key);
        }
    }

    /// Whether the endpoint that agreed has understood what to.
    #[must_use]
    pub fn is_accepted(&self, fields: &HeaderMap) -> bool {
        let mut accepts = fields.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        let accept = accepts.next().is_some_and(|accept| *accept == accept_of(self.key.as_bytes()));
        accept && accepts.next().is_none()
    }

    /// The client's stream, once it has been told; `None` if it is gone by then.
    pub async fn stream(self) -> Option<Box<dyn RawIo>> {
        Some(Box::new(self.stream.await.ok()?))
    }
}

/// What a server answers to a client's `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
#[must_use]
pub fn accept_of(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    base64(&digest)
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    let digit = |six: u32| match u8::try_from(six & 63).unwrap_or_default() {
        six @ 0..=25 => char::from(b'A' + six),
        six @ 26..=51 => char::from(b'a' + six - 26),
        six @ 52..=61 => char::from(b'0' + six - 52),
        62 => '+',
        _ => '/',
    };
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        text.extend([digit(bits >> 18), digit(bits >> 12)]);
        text.push(if three.len() > 1 { digit(bits >> 6) } else { '=' });
        text.push(if three.len() > 2 { digit(bits) } else { '=' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (text, encoded) in cases {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn a_key_is_answered_as_in_the_rfc() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
