//! A stream's way back, until its answer has begun.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};

use crate::http::ending::Cut;
use crate::http::hop_by_hop::strip_response;

/// Interim responses that one request's client is told, at most: any of them may be dropped (RFC 9110 §15.2).
const INTERIM_MAX: u32 = 32;

/// Such a way, shared by whoever answers and whoever has something to say before.
#[derive(Debug, Clone)]
pub struct Reply(Rc<RefCell<Open>>);

#[derive(Debug)]
struct Open {
    respond: SendResponse<Bytes>,
    interim: u32,
    answered: bool,
    cut: Option<Cut>,
}

impl Reply {
    pub(super) fn new(respond: SendResponse<Bytes>) -> Self {
        Self(Rc::new(RefCell::new(Open { respond, interim: 0, answered: false, cut: None })))
    }

    /// Ready when the client has given the stream up, or the connection has ended.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.borrow_mut().respond.poll_reset(cx).map(drop)
    }

    /// Begins the answer; `ends` where nothing follows its head.
    pub(super) fn answer(&self, head: Response<()>, ends: bool) -> Option<SendStream<Bytes>> {
        let mut open = self.0.borrow_mut();
        open.answered = true;
        match open.respond.send_response(head, ends) {
            Ok(stream) => Some(stream),
            Err(_) => {
                open.respond.send_reset(Reason::INTERNAL_ERROR);
                None
            }
        }
    }

    /// Gives the stream up for what its client has done.
    pub(super) fn reset(&self, why: Reason) {
        self.0.borrow_mut().respond.send_reset(why);
    }

    /// Tells the client of an interim response of the endpoint's. Not what the gateway says itself, or HTTP/2 doesn't know: 100 and
    /// 101 (RFC 9113 §8.6).
    pub(in crate::http) fn interim(&self, response: &Response<()>) {
        if matches!(response.status(), StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let mut head = Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        strip_response(head.headers_mut());
        head.headers_mut().remove(CONTENT_LENGTH);
        self.tell(head);
    }

    /// The client is to send its body.
    pub(super) fn ask_on(&self) {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::CONTINUE;
        self.tell(head);
    }

    /// The stream is ended before its time.
    pub(super) fn note_cut(&self, why: Cut) {
        self.0.borrow_mut().cut = Some(why);
    }

    /// Why it was, if it was.
    pub(in crate::http) fn cut(&self) -> Option<Cut> {
        self.0.borrow().cut
    }

    fn tell(&self, head: Response<()>) {
        let mut open = self.0.borrow_mut();
        if !open.answered && open.interim < INTERIM_MAX {
            open.interim += 1;
            // An error means that the stream has ended.
            let _ = open.respond.send_informational(head);
        }
    }
}
