//! Interim responses (1xx) on their way to a client. To one of HTTP/1.1 they are written before the answer; over HTTP/2 they are frames of
//! their stream.

use std::cell::RefCell;
use std::rc::Rc;

use http::{Response, StatusCode};

use super::conn::ConnState;
use super::facade::Facade;
use super::hop_by_hop::strip_response;
use super::http2::Reply;

/// Octets of interim responses that wait to be written. What comes beyond is dropped, as any of them may be.
const WAITING_MAX: usize = 16 * 1024;

/// A request's client, to be told of interim responses.
#[derive(Debug, Clone)]
pub enum Hearer {
    /// That of the connection's present request.
    Http1(Rc<ConnState>),
    /// That of a stream.
    Http2(Reply),
}

impl Hearer {
    fn tell(&self, response: &Response<()>) {
        match self {
            Self::Http1(conn) => conn.pass_interim(response),
            Self::Http2(reply) => reply.interim(response),
        }
    }
}

/// Who wants to hear of a request's interim responses.
#[derive(Debug, Clone, Copy)]
pub struct Hints<'h> {
    hearer: &'h Hearer,
    facade: Option<&'h Facade>,
}

impl<'h> Hints<'h> {
    /// A request's client, and as what it sees the application.
    #[must_use]
    pub fn new(hearer: &'h Hearer, facade: Option<&'h Facade>) -> Self {
        Self { hearer, facade }
    }

    /// Passes an interim response (1xx) on, where that is possible.
    pub fn pass(&self, response: &Response<()>) {
        match self.facade {
            None => self.hearer.tell(response),
            Some(facade) => {
                let mut seen = response.clone();
                facade.response(seen.headers_mut());
                self.hearer.tell(&seen);
            }
        }
    }
}

/// A connection's interim responses that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Interim {
    waiting: RefCell<Vec<u8>>,
}

impl Interim {
    /// Has a response written before the answer. Not what the gateway says itself or nobody has asked for (RFC 9110 §15.2): 100 and 101.
    pub(super) fn push(&self, response: &Response<()>) {
        let status = response.status();
        if matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let text = encoded(response);
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() + text.len() <= WAITING_MAX {
            waiting.extend(text);
        }
    }

    /// What waits is of a request that is answered: nobody else's answer may have it before it.
    pub(super) fn clear(&self) {
        if !self.waiting.borrow().is_empty() {
            *self.waiting.borrow_mut() = Vec::new();
        }
    }

    /// Hands over what waits, to be written behind `text`, if that is not much already.
    pub(super) fn take(&self, text: &mut Vec<u8>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() && text.len() <= WAITING_MAX {
            text.append(&mut waiting);
            // An idle connection keeps no memory of them.
            *waiting = Vec::new();
        }
    }
}

/// A head without framing, for it has no body (RFC 9110 §8.6).
fn encoded(response: &Response<()>) -> Vec<u8> {
    let mut fields = response.headers().clone();
    strip_response(&mut fields);
    fields.remove(http::header::CONTENT_LENGTH);
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &fields {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(piece);
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(link: &str) -> Response<()> {
        let response = Response::builder().status(103).header("link", link).header("connection", "close");
        response.header("content-length", "5").body(()).unwrap()
    }

    fn waiting(interim: &Interim) -> String {
        let mut text = Vec::new();
        interim.take(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_hint_has_no_framing_and_no_field_of_the_hop() {
        let interim = Interim::default();
        interim.push(&hint("</a.css>"));
        assert_eq!(waiting(&interim), "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
    }

    #[test]
    fn what_is_the_gateways_to_say_is_dropped_and_so_is_too_much() {
        let interim = Interim::default();
        interim.push(&Response::builder().status(100).body(()).unwrap());
        interim.push(&Response::builder().status(101).body(()).unwrap());
        assert!(waiting(&interim).is_empty());
        for _ in 0..1_000 {
            interim.push(&hint(&"x".repeat(100)));
        }
        assert!(waiting(&interim).len() <= WAITING_MAX);
    }

    #[test]
    fn one_request_has_no_hint_of_another() {
        let interim = Interim::default();
        interim.push(&hint("a"));
        let mut text = vec![0; WAITING_MAX + 1];
        interim.take(&mut text);
        assert_eq!(text.len(), WAITING_MAX + 1, "the client takes nothing");
        interim.clear();
        assert!(waiting(&interim).is_empty());
    }
}
