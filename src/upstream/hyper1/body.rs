//! A response's body, as hyper reads it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::Parts;
use tokio::task::spawn_local;

use super::wire::Seen;
use super::{Connection, Sender};
use crate::http::hop_by_hop::{Reserved, strip_trailers};
use crate::upstream::body::{ResponseFailure, Sending};
use crate::upstream::line::Lease;
use crate::upstream::patience::Patience;

/// A response's body. When it has been read to its end, its connection serves the next request.
#[derive(Debug)]
pub(in crate::upstream) struct HyperBody {
    left: Option<Left>,
    lease: Lease,
    patience: Patience,
}

/// What is there until the body's end.
#[derive(Debug)]
struct Left {
    incoming: Incoming,
    sender: Sender,
    course: Rc<RefCell<Option<Course>>>,
    /// The task that drives it, while the rest of a request is sent.
    driver: Option<Sending>,
    seen: Rc<Seen>,
}

/// hyper's connection on its way.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) connection: Connection,
    /// It is not to be driven any more.
    pub(super) is_over: bool,
}

impl Course {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, is_over: false }
    }

    /// Drives it as far as it goes. What goes wrong the response tells, or there is none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        self.is_over = self.is_over || self.connection.poll_without_shutdown(cx).is_ready();
    }
}

impl HyperBody {
    pub(super) fn new(
        incoming: Incoming,
        sender: Sender,
        course: Course,
        is_sending: bool,
        lease: Lease,
        patience: Patience,
        seen: Rc<Seen>,
    ) -> Self {
        let ended = incoming.is_end_stream();
        let course = Rc::new(RefCell::new(Some(course)));
        let driver = is_sending.then(|| Sending(spawn_local(drive(Rc::clone(&course)))));
        let left = Some(Left { incoming, sender, course, driver, seen });
        let mut body = Self { left, lease, patience };
        if ended {
            body.finish();
        }
        body
    }

    pub(in crate::upstream) fn is_received(&self) -> bool {
        self.left.is_none()
    }

    /// The body has been read to its end: the connection is free, if hyper would use it again.
    fn finish(&mut self) {
        if let Some(deadline) = self.patience.take_deadline() {
            self.lease.idle.keep_deadline(deadline);
        }
        let Some(Left { incoming, sender, course, driver, seen }) = self.left.take() else { return };
        let Some(mut course) = course.take() else { return };
        drop((incoming, driver));
        let mut nobody = Context::from_waker(Waker::noop());
        course.poll(&mut nobody);
        let is_reusable = !course.is_over && sender.is_ready() && !seen.is_deaf.get();
        // Without anybody who sends hyper lets go of it.
        drop(sender);
        course.poll(&mut nobody);
        if is_reusable && course.is_over {
            let Parts { io, read_buf, .. } = course.connection.into_parts();
            let mut line = io.into_inner().line;
            line.read = BytesMut::from(read_buf);
            let Lease { idle, endpoint, idle_max, keep } = &self.lease;
            idle.put(*endpoint, line, *idle_max, *keep);
        }
    }

    fn fail(&mut self, why: ResponseFailure) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        self.left = None;
        Poll::Ready(Some(Err(why)))
    }
}

impl Left {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        // Once to say what is wanted, and once more for what has come.
        for _ in 0..2 {
            if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
                return Poll::Ready(frame);
            }
            if self.driver.is_none() {
                self.course.borrow_mut().iter_mut().for_each(|course| course.poll(cx));
            }
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }
}

/// Drives a connection until it is over, or taken away.
async fn drive(course: Rc<RefCell<Option<Course>>>) {
    poll_fn(|cx| {
        let mut course = course.borrow_mut();
        let Some(course) = course.as_mut() else { return Poll::Ready(()) };
        course.poll(cx);
        if course.is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Body for HyperBody {
    type Data = Bytes;
    type Error = ResponseFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        let this = &mut *self;
        let Some(left) = &mut this.left else { return Poll::Ready(None) };
        let mut frame = match left.poll(cx) {
            Poll::Ready(Some(Ok(frame))) => Some(frame),
            Poll::Ready(None) => None,
            Poll::Ready(Some(Err(_))) => return this.fail(ResponseFailure::Broken),
            Poll::Pending => {
                return match this.patience.poll(cx) {
                    Poll::Ready(why) => this.fail(why),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        this.patience.heard();
        let is_last = left.incoming.is_end_stream() || frame.as_ref().is_none_or(Frame::is_trailers);
        if let Some(fields) = frame.as_mut().and_then(Frame::trailers_mut) {
            strip_trailers(fields, &Reserved::default());
        }
        if is_last {
            this.finish();
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.as_ref().map_or_else(|| SizeHint::with_exact(0), |left| left.incoming.size_hint())
    }
}
