//! A request as hyper sends it.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body::{Body, Frame};

use super::wire::Seen;
use crate::upstream::outbox::Outbox;

/// A request on loan to hyper, which wants it for as long as it likes. Dropped, it goes back to whoever wanted it sent.
pub(super) struct Loan<'o> {
    from: &'o mut Option<Outbox>,
    lent: Rc<Lent>,
    seen: Rc<Seen>,
    /// hyper keeps it.
    is_left: bool,
}

#[derive(Debug)]
pub(super) struct Lent {
    outbox: RefCell<Option<Outbox>>,
    /// The client's side of the body has failed.
    failed: Cell<bool>,
    /// hyper has let go of the body: at its length, or behind trailers, it doesn't ask for the end.
    ended: Cell<bool>,
}

impl Lent {
    fn has_more(&self) -> bool {
        !self.ended.get() && self.outbox.borrow().as_ref().is_some_and(Outbox::has_more)
    }
}

/// The body as hyper takes it.
#[derive(Debug)]
pub(super) struct Sent {
    lent: Rc<Lent>,
    seen: Rc<Seen>,
}

impl<'o> Loan<'o> {
    pub(super) fn of(from: &'o mut Option<Outbox>, seen: Rc<Seen>) -> Self {
        let (failed, ended) = (Cell::new(false), Cell::new(false));
        let lent = Lent { outbox: RefCell::new(from.take()), failed, ended };
        Self { from, lent: Rc::new(lent), seen, is_left: false }
    }

    pub(super) fn body(&self) -> Sent {
        Sent { lent: Rc::clone(&self.lent), seen: Rc::clone(&self.seen) }
    }

    /// Whether the client's side of the body has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.lent.failed.get()
    }

    /// Whether all of it has been sent, or the endpoint wants no more of it.
    pub(super) fn is_sent(&self) -> bool {
        self.seen.is_deaf.get() || !self.lent.has_more() && !self.seen.is_full.get()
    }

    /// Takes it back, if hyper has no more use for it; else hyper goes on sending it.
    pub(super) fn end(mut self) -> Option<Outbox> {
        self.is_left = !self.is_sent();
        if self.is_left {
            self.lent.outbox.borrow_mut().iter_mut().for_each(Outbox::let_go);
            return None;
        }
        let mut outbox = self.lent.outbox.take();
        outbox.iter_mut().for_each(Outbox::touch);
        outbox
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if !self.is_left
            && let Some(mut outbox) = self.lent.outbox.take()
        {
            if self.seen.sent.get() {
                outbox.touch();
            }
            *self.from = Some(outbox);
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.lent.ended.set(true);
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut outbox = self.lent.outbox.borrow_mut();
        let Some(outbox) = outbox.as_mut().filter(|_| !self.seen.is_deaf.get()) else { return Poll::Pending };
        match ready!(outbox.poll_frame(cx)) {
            Ok(frame) => Poll::Ready(frame.map(Ok)),
            Err(_) => {
                self.lent.failed.set(true);
                Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.lent.has_more()
    }
}

/// A head as it was encoded, in hyper's terms.
pub(super) fn head(text: &[u8]) -> Option<Request<()>> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut start = lines.next()?.split(|byte| *byte == b' ');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(start.next()?).ok()?;
    *request.uri_mut() = Uri::from(PathAndQuery::try_from(start.next()?).ok()?);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
        let value = value.strip_prefix(b":")?.trim_ascii();
        request
            .headers_mut()
            .append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}
