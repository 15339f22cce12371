//! One stream: a request is answered, and the answer's body sent as the client takes it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPIRES, HeaderName, LAST_MODIFIED, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::body::StreamBody;
use super::reply::Reply;
use super::tunnel::StreamIo;
use super::wire::Notes;
use crate::http::conn::{ConnState, Cut};
use crate::http::date::date;
use crate::http::incoming::Incoming;
use crate::http::pace::Pace;
use crate::http::server::ConnDeadlines;
use crate::http::server::Handler;
use crate::time::Deadline;
use crate::types::of_one_message;

/// What says something of an HTTP/1.1 connection only (RFC 9113 §8.2.2): h2 would refuse to send it.
const OF_HTTP1: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What soon has another value.
const TIMES: [HeaderName; 3] = [DATE, EXPIRES, LAST_MODIFIED];

/// Has a request answered. Ends early when the client gives it up or the connection ends.
pub(super) async fn serve<H: Handler>(
    handler: Rc<H>,
    state: Rc<ConnState>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    deadlines: ConnDeadlines,
    notes: Rc<Notes>,
) {
    let (head, coming) = request.into_parts();
    let reply = Reply::new(respond);
    if poll_fn(|cx| Poll::Ready(reply.poll_reset(cx).is_ready())).await {
        // Before it began: whoever floods with such requests has nothing done for them.
        return;
    }
    let Some(held) = notes.held.head(&head) else { return reply.reset(Reason::REFUSED_STREAM) };
    let (body, opening) = if head.method == Method::CONNECT {
        // What tunnels have in their windows is not counted.
        notes.held.end_body(coming.stream_id().into());
        let (opening, opened) = oneshot::channel();
        (Incoming::Connect(opened), Some((opening, coming)))
    } else {
        (Incoming::Http2(Box::new(StreamBody::new(coming, &head, reply.clone(), Rc::clone(&notes)))), None)
    };
    let answered = {
        let mut handled = pin!(handler.handle(Rc::clone(&state), Request::from_parts(head, body)));
        poll_fn(|cx| match handled.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
            Poll::Pending => reply.poll_reset(cx).map(|()| None),
        })
        .await
    };
    drop(held);
    let Some(response) = answered else { return };
    let (mut head, body) = response.into_parts();
    let (mut is_dated, mut is_of_http1) = (false, false);
    // Most have none of them: to look at all names is less than to look for each.
    for (name, value) in &mut head.headers {
        is_dated |= *name == DATE;
        is_of_http1 |= OF_HTTP1.contains(name);
        if TIMES.contains(name) {
            // In the table of what was said before a connection would have a minute's worth of them, and h2 look at all of these each time.
            value.set_sensitive(true);
        }
    }
    if is_of_http1 {
        OF_HTTP1.iter().for_each(|name| drop(head.headers.remove(name)));
    }
    if !is_dated {
        head.headers.insert(DATE, of_one_message(date()));
    }
    if let Some((opening, coming)) = opening.filter(|_| head.status.is_success()) {
        head.headers.remove(CONTENT_LENGTH);
        if let Some(going) = reply.answer(Response::from_parts(head, ()), false) {
            // Where nobody waits for it any more, it is reset.
            let _ = opening.send(StreamIo::new(coming, going, notes));
        }
        return;
    }
    let ends = body.is_end_stream();
    if let Some(len) = body.size_hint().exact().filter(|_| !ends)
        && !head.headers.contains_key(CONTENT_LENGTH)
    {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    if let Some(going) = reply.answer(Response::from_parts(head, ()), ends)
        && !ends
    {
        let mut sending = Sending {
            state,
            reply,
            going,
            body,
            piece: Bytes::new(),
            is_last: false,
            deadlines,
            notes,
            pace: deadlines.response_rate.map(Pace::new),
            waiting: None,
            timer: None,
        };
        poll_fn(|cx| sending.poll(cx)).await;
    }
}

/// An answer's body on its way. When it is dropped before the end, the stream is reset.
struct Sending<B> {
    state: Rc<ConnState>,
    reply: Reply,
    going: SendStream<Bytes>,
    body: B,
    /// What has no room in the client's window yet.
    piece: Bytes,
    is_last: bool,
    deadlines: ConnDeadlines,
    notes: Rc<Notes>,
    /// How the client keeps to the least rate.
    pace: Option<Pace>,
    /// Since when its window has been shut.
    waiting: Option<Instant>,
    timer: Option<Deadline>,
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    /// Ready when all is sent, or nothing more can be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.piece.is_empty() {
                if !ready!(self.poll_piece(cx)) {
                    return Poll::Ready(());
                }
                continue;
            }
            if self.is_last || self.going.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            let ended = match ready!(Pin::new(&mut self.body).poll_frame(cx))
                .map(|frame| frame.map(Frame::into_data))
            {
                Some(Ok(Ok(piece))) => {
                    self.is_last = self.body.is_end_stream();
                    if !piece.is_empty() {
                        self.piece = piece;
                        continue;
                    }
                    if !self.is_last {
                        continue;
                    }
                    self.going.send_data(Bytes::new(), true)
                }
                Some(Ok(Err(last))) => self.going.send_trailers(last.into_trailers().unwrap_or_default()),
                Some(Err(_)) => {
                    self.going.send_reset(Reason::INTERNAL_ERROR);
                    Ok(())
                }
                None => self.going.send_data(Bytes::new(), true),
            };
            // An error means that the stream has ended.
            let _ = ended;
            return Poll::Ready(());
        }
    }

    /// Sends as much of the piece as the client's window takes; `false` when the stream has ended. More is not given to h2, so
    /// that what a client is slow to take is nowhere else than here.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.going.reserve_capacity(self.piece.len());
        let room = match self.going.capacity() {
            0 => match self.going.poll_capacity(cx) {
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(false),
                Poll::Pending => {
                    let why = ready!(self.poll_slow(cx));
                    self.cut(why);
                    return Poll::Ready(false);
                }
            },
            room => room,
        };
        if room == 0 {
            return Poll::Ready(true);
        }
        let piece = self.piece.split_to(room.min(self.piece.len()));
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if let Some(pace) = &mut self.pace
            && !pace.passed(waited, octets)
        {
            self.cut(Cut::SlowResponse);
            return Poll::Ready(false);
        }
        let ends = self.is_last && self.piece.is_empty();
        self.notes.note_cut(piece.len(), self.piece.is_empty());
        Poll::Ready(self.going.send_data(piece, ends).is_ok())
    }

    fn cut(&mut self, why: Cut) {
        self.state.note_cut(why);
        self.reply.note_cut(why);
        self.going.send_reset(Reason::CANCEL);
    }

    /// The client's window is shut. Ready when it has been for too long: altogether, by the least rate, or at one time.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let stall = self.deadlines.write_stall;
        let (within, why) = match self.pace.map(|pace| pace.allowed_for(0)) {
            Some(allowed) if allowed < stall => (allowed, Cut::SlowResponse),
            _ => (stall, Cut::WriteTimeout),
        };
        let timer = self.timer.get_or_insert_with(|| Deadline::at(since + within));
        timer.set(since + within);
        timer.poll(cx).map(|()| why)
    }
}
