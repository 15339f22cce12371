//! Taking a PROXY header off a connection: whose it is, before the client's first byte is looked at.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::proxy_protocol::{HEADER_MAX, Header, Malformed, Origin, Parsed, parse};
use super::stream::ClientStream;
use crate::types::Peer;

/// Why a connection that must begin with a PROXY header is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unannounced {
    /// Its peer is not among `trusted_proxies`.
    #[error("the peer is not in trusted_proxies, and so may not announce clients")]
    Untrusted,
    /// There is no header, or it is malformed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It did not come in time.
    #[error("no PROXY header has come in time")]
    Late,
    /// The peer went away before.
    #[error("the peer went away before its PROXY header had come")]
    Gone,
}

impl Unannounced {
    /// Its name in metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Untrusted => "proxy_protocol_untrusted",
            Self::Malformed(Malformed::Missing) => "proxy_protocol_missing",
            Self::Malformed(_) => "proxy_protocol_malformed",
            Self::Late => "proxy_protocol_timeout",
            Self::Gone => "proxy_protocol_closed",
        }
    }
}

/// Reads the header that must come first from `proxy`, within this time; whose connection it is. What follows the header is
/// left to be read, also where it came with it.
///
/// # Errors
/// [`Unannounced`]. The connection must be closed then, without a word: whoever may announce clients has not, and an
/// answer would be taken for the application's.
pub async fn announced(
    stream: &mut ClientStream,
    proxy: Peer,
    within: Duration,
) -> Result<Peer, Unannounced> {
    timeout(within, read(stream, proxy)).await.unwrap_or(Err(Unannounced::Late))
}

async fn read(stream: &mut ClientStream, proxy: Peer) -> Result<Peer, Unannounced> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        // What is wanted next and, usually, more: it is given back.
        if bytes.capacity() - bytes.len() < 128 {
            bytes.reserve(1024);
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            // A probe of the port that says nothing, or an error.
            Ok(0) | Err(_) => return Err(Unannounced::Gone),
        }
        match parse(&bytes)? {
            Parsed::Whole(header, len) => {
                let peer = whose(&header, proxy);
                tracing::debug!(%proxy, client = %peer, version = header.version, tlvs = ?header.tlvs, "announced");
                stream.unread(bytes.split_off(len));
                return Ok(peer);
            }
            // The parser has refused what is longer by now.
            Parsed::Partial { .. } if bytes.len() > HEADER_MAX => return Err(Malformed::TooLong.into()),
            Parsed::Partial { .. } => {}
        }
    }
}

fn whose(header: &Header<'_>, proxy: Peer) -> Peer {
    match header.origin {
        Origin::Local => proxy,
        Origin::Unnamed => proxy.relayed(),
        Origin::Client { source, .. } => Peer::Address(source),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;
    use tokio::time::Instant;

    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 50000 443\r\n";
    const LONG: Duration = Duration::from_secs(30);

    fn proxy() -> Peer {
        Peer::Address("10.0.0.1:999".parse().unwrap())
    }

    /// A header and its client's bytes, sent in these pieces; what is left to be read.
    fn through(pieces: &[&[u8]]) -> (Result<Peer, Unannounced>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut near, far) = UnixStream::pair().unwrap();
            let mut far = ClientStream::from(far);
            let sending = async {
                for piece in pieces {
                    near.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(near);
            };
            let reading = async {
                let peer = announced(&mut far, proxy(), LONG).await;
                let mut rest = Vec::new();
                far.read_to_end(&mut rest).await.unwrap();
                (peer, rest)
            };
            tokio::join!(sending, reading).1
        })
    }

    #[test]
    fn a_header_cut_anywhere_takes_what_is_its_own() {
        let client = Peer::Address("192.0.2.7:50000".parse().unwrap());
        let v2 = [
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x09\xc3\x50\x01\xbb".as_slice(),
            b"",
        ];
        for header in [LINE, v2[0]] {
            let all = [header, b"GET / HTTP/1.1\r\n"].concat();
            for at in 1..all.len() {
                let (peer, rest) = through(&[&all[..at], &all[at..]]);
                assert_eq!((peer, &rest[..]), (Ok(client), &b"GET / HTTP/1.1\r\n"[..]), "cut at {at}");
            }
        }
    }

    #[test]
    fn whose_a_connection_is_that_is_nobodys() {
        assert_eq!(through(&[b"PROXY UNKNOWN\r\nx"]), (Ok(proxy().relayed()), b"x".to_vec()));
        assert_eq!(through(&[b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0y"]), (Ok(proxy()), b"y".to_vec()));
        let missing = Unannounced::Malformed(Malformed::Missing);
        assert_eq!(through(&[b"GET / HTTP/1.1\r\n"]).0, Err(missing));
        assert_eq!(through(&[b"PROXY TCP4"]).0, Err(Unannounced::Gone));
        assert_eq!(through(&[]).0, Err(Unannounced::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_is_not_waited_for() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut far = ClientStream::from(far);
        near.write_all(&LINE[..20]).await.unwrap();
        let start = Instant::now();
        let late = announced(&mut far, proxy(), Duration::from_secs(5)).await;
        assert_eq!((late, start.elapsed().as_secs()), (Err(Unannounced::Late), 5));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_nothing_is_lost(cuts in proptest::collection::vec(1..9_usize, 0..20), body in ".{0,40}") {
            let all = [LINE, body.as_bytes()].concat();
            let mut pieces = Vec::new();
            let mut rest = &all[..];
            for cut in cuts {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            pieces.push(rest);
            let (peer, left) = through(&pieces);
            prop_assert_eq!(peer, Ok(Peer::Address("192.0.2.7:50000".parse().unwrap())));
            prop_assert_eq!(left, body.as_bytes());
        }
    }
}
