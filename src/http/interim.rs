//! Interim responses (1xx) on their way to a client. To one of HTTP/1.1 hyper has no way of sending them: the guard writes them
//! between two of hyper's messages. Over HTTP/2 they are frames of their stream.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
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

/// What of a connection's interim responses is not written yet.
#[derive(Debug, Default)]
pub(super) struct Interim {
    waiting: RefCell<VecDeque<u8>>,
    /// hyper has bytes that the socket did not take: nothing may come between them.
    amid: Cell<bool>,
}

impl Interim {
    /// Has a response written before the next of hyper's bytes. Not in the middle of the message before, and not what
    /// the gateway says itself or nobody has asked for (RFC 9110 §15.2): 100 and 101.
    pub(super) fn push(&self, response: &Response<()>) {
        let status = response.status();
        if self.amid.get() || matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let text = encoded(response);
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() + text.len() <= WAITING_MAX {
            waiting.extend(text);
        }
    }

    /// hyper has offered bytes: whether all of them were taken.
    pub(super) fn note_written(&self, all: bool) {
        self.amid.set(!all);
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Hands what waits to `write`, and takes off the front what that has written.
    pub(super) fn write<T>(&self, write: impl FnOnce(&[u8]) -> (T, usize)) -> T {
        let mut waiting = self.waiting.borrow_mut();
        let (outcome, written) = write(waiting.make_contiguous());
        let written = written.min(waiting.len());
        waiting.drain(..written);
        if waiting.is_empty() {
            // An idle connection keeps no memory of them.
            *waiting = VecDeque::new();
        }
        outcome
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
        interim.write(|bytes| (String::from_utf8(bytes.to_vec()).unwrap(), 0))
    }

    #[test]
    fn a_hint_has_no_framing_and_no_field_of_the_hop() {
        let interim = Interim::default();
        interim.push(&hint("</a.css>"));
        assert_eq!(waiting(&interim), "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
    }

    #[test]
    fn nothing_comes_into_the_middle_of_a_message() {
        let interim = Interim::default();
        interim.note_written(false);
        interim.push(&hint("a"));
        assert!(interim.is_empty());
        interim.note_written(true);
        interim.push(&hint("b"));
        assert!(!interim.is_empty());
    }

    #[test]
    fn what_is_the_gateways_to_say_is_dropped_and_so_is_too_much() {
        let interim = Interim::default();
        interim.push(&Response::builder().status(100).body(()).unwrap());
        interim.push(&Response::builder().status(101).body(()).unwrap());
        assert!(interim.is_empty());
        for _ in 0..1_000 {
            interim.push(&hint(&"x".repeat(100)));
        }
        assert!(waiting(&interim).len() <= WAITING_MAX);
    }

    #[test]
    fn what_is_written_in_part_goes_on_where_it_was() {
        let interim = Interim::default();
        interim.push(&hint("a"));
        let whole = waiting(&interim);
        let mut written = String::new();
        while !interim.is_empty() {
            written.push_str(
                &interim
                    .write(|bytes| (String::from_utf8_lossy(&bytes[..7.min(bytes.len())]).into_owned(), 7)),
            );
        }
        assert_eq!(written, whole);
    }
}
