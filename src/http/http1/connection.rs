//! A connection's life: its requests in turn, its deadlines, and its end.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::body::Content;
use super::intake::Intake;
use super::kit::Kit;
use super::outlet::Outlet;
use super::reply::{self, Framing, Terms};
use super::request::{self, Asked};
use crate::http::conn::{ConnState, Cut, TunnelTask};
use crate::http::incoming::Incoming;
use crate::http::passing::Passing;
use crate::http::server::{Entered, Handler, ServerSettings, close};
use crate::http::wire::{Framing as Framed, Head, Malformed};
use crate::net::Bare;
use crate::time::{Deadline, turn_began};

/// Octets of a body that are sent in one turn, about.
const TURN: u64 = 512 * 1024;
/// How long what a peer still sends is read after the last answer.
const LINGER: Duration = Duration::from_secs(2);

/// A connection while it lasts.
struct Connection<S, H> {
    intake: Rc<RefCell<Intake<S>>>,
    out: Outlet,
    state: Rc<ConnState>,
    settings: Arc<ServerSettings>,
    handler: Rc<H>,
    kit: Rc<Kit>,
    /// Of a head of which something is there.
    head: Option<Head>,
    /// Since when; the first one is awaited from the start.
    head_since: Option<Instant>,
    deadline: Option<Deadline>,
    /// Behind a head that was refused nothing has a reading.
    refused: bool,
}

/// What comes behind an answer.
enum Then {
    /// The next request.
    Next,
    /// The connection's end, which loses nothing of the answer.
    Close,
    /// Its end, which its client must not take for the answer's.
    Cut,
    /// Another protocol.
    Tunnel(TunnelTask),
}

/// Serves a connection until it ends, of which something was read; it has begun at `since`.
// Not an `async fn`: see `server::serve`.
pub(in crate::http) fn serve<S, H>(
    intake: Rc<RefCell<Intake<S>>>,
    since: Instant,
    state: Rc<ConnState>,
    settings: Arc<ServerSettings>,
    handler: Rc<H>,
    entered: &Entered,
) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Bare + Unpin + 'static,
    H: Handler + 'static,
{
    let mut connection = Connection {
        intake,
        out: Outlet::default(),
        state,
        settings,
        handler,
        kit: entered.kit(),
        head: None,
        head_since: Some(since),
        deadline: None,
        refused: false,
    };
    async move {
        while let Some((request, asked)) = connection.next(entered).await {
            match connection.answer(request, asked, entered).await {
                Then::Next => {}
                // Apart: it has no room in one that goes on.
                Then::Close => return Box::pin(connection.close()).await,
                Then::Cut => return,
                Then::Tunnel(task) => {
                    // Nobody else has it: a request with a body is never one for a tunnel.
                    let Some(intake) = Rc::into_inner(connection.intake) else { return };
                    let Intake { io, read, .. } = intake.into_inner();
                    return task(Box::new(io), read.freeze()).await;
                }
            }
        }
        close(connection.intake).await;
    }
}

impl<S, H> Connection<S, H>
where
    S: AsyncRead + AsyncWrite + Bare + Unpin + 'static,
    H: Handler + 'static,
{
    /// The next request, or what stands for one that is refused. `None`: there will be none.
    async fn next(&mut self, entered: &Entered) -> Option<(Request<Incoming>, Asked)> {
        let mut quiet_until = None;
        poll_fn(|cx| {
            loop {
                if let Some(next) = self.take() {
                    return Poll::Ready(Some(next));
                }
                match self.intake.borrow_mut().poll_fill(0, cx) {
                    Poll::Ready(Ok(1..)) => continue,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                    Poll::Pending => {}
                }
                if entered.is_draining(cx) {
                    // Nothing was asked that is complete: the client may ask elsewhere.
                    return Poll::Ready(None);
                }
                let deadlines = &self.settings.deadlines;
                let has_begun =
                    self.head.as_ref().is_some_and(|head| head.has_begun(&self.intake.borrow().read));
                if has_begun {
                    let since = *self.head_since.get_or_insert_with(turn_began);
                    ready!(poll_at(&mut self.deadline, since + deadlines.header_read, cx));
                    self.state.note_cut(Cut::HeaderTimeout);
                    return Poll::Ready(Some(self.refuse(Malformed::HeadTimeout)));
                }
                let (until, why) = match self.head_since {
                    // The first one is awaited from the start.
                    Some(since) => (since + deadlines.header_read, Cut::HeaderTimeout),
                    None => {
                        (*quiet_until.get_or_insert_with(|| turn_began() + deadlines.keep_alive), Cut::Idle)
                    }
                };
                ready!(poll_at(&mut self.deadline, until, cx));
                self.state.note_cut(why);
                return Poll::Ready(None);
            }
        })
        .await
    }

    /// Takes a request off what was read, if its head is there.
    fn take(&mut self) -> Option<(Request<Incoming>, Asked)> {
        let mut intake = self.intake.borrow_mut();
        if intake.read.is_empty() {
            return None;
        }
        let mut head = self.head.take().unwrap_or_else(|| self.kit.reader());
        let made = match head.read(&intake.read, &self.settings.head) {
            Ok(None) => {
                self.head = Some(head);
                return None;
            }
            Ok(Some(octets)) => {
                let text = self.kit.head_of(&mut intake.read, octets);
                let fields = self.kit.fields(head.fields().len());
                request::request(&text, &head, &self.kit.names, fields)
            }
            Err(why) => Err(why),
        };
        let framing = head.framing();
        self.kit.leave_reader(head);
        self.head_since = None;
        let (request, asked) = match made {
            Ok(made) => made,
            Err(why) => {
                drop(intake);
                return Some(self.refuse(why));
            }
        };
        intake.leave_room();
        intake.begin(framing, asked.expects_continue);
        let of = intake.request();
        drop(intake);
        let body = match framing {
            Framed::Nothing => Incoming::Nothing,
            Framed::Length(_) | Framed::Chunked => {
                let source = Rc::clone(&self.intake);
                Incoming::Http1(Content::new(source, of))
            }
        };
        Some((request.map(|()| body), asked))
    }

    /// What stands for a request that is refused, so that a refusal is answered, logged and counted as every other.
    fn refuse(&mut self, why: Malformed) -> (Request<Incoming>, Asked) {
        self.refused = true;
        self.head = None;
        let mut intake = self.intake.borrow_mut();
        intake.read = BytesMut::new();
        intake.begin(Framed::Nothing, false);
        self.state.refuse(why);
        (Request::new(Incoming::Nothing), Asked::NOTHING)
    }

    /// Has a request answered, and sends the answer.
    async fn answer(&mut self, request: Request<Incoming>, asked: Asked, entered: &Entered) -> Then {
        self.out.text = self.kit.text();
        // Apart, so that its room is given back when it has answered: a connection waits, and bodies may be long.
        let (handler, state) = (Rc::clone(&self.handler), Rc::clone(&self.state));
        let mut handled = Box::into_pin(Box::write(Box::new_uninit(), handler.handle(state, request)));
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answered) = handled.as_mut().poll(cx) {
                return Poll::Ready(answered.ok());
            }
            if let Poll::Ready(Err(_)) = self.poll_interim(cx) {
                return Poll::Ready(None);
            }
            if self.refused {
                return Poll::Pending;
            }
            self.intake.borrow_mut().poll_left(cx).map(|()| None)
        });
        let Some(response) = answered.await else { return Then::Cut };
        drop(handled);
        // What has come with it goes before it, or not at all.
        self.state.interim.take(&mut self.out.text);
        self.state.interim.clear();
        let (head, mut body) = response.into_parts();
        let octets = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        let may_go_on = !self.refused && !entered.is_draining_now() && !self.intake.borrow().is_held_back();
        let Terms { mut framing, keep_alive } =
            reply::head(&mut self.out.text, &head, octets, asked, may_go_on);
        self.kit.leave_fields(head.headers);
        let is_delimited = framing != Framing::Close;
        if poll_fn(|cx| self.poll_send(&mut body, &mut framing, cx)).await.is_err() {
            if !is_delimited {
                // Its end would be taken for the body's.
                self.state.abandon();
            }
            return Then::Cut;
        }
        drop(body);
        self.kit.leave_text(std::mem::take(&mut self.out.text));
        self.out.passage.leave(&self.kit.pipes);
        if let Some(task) = self.state.tunnel_task() {
            return Then::Tunnel(task);
        }
        self.intake.borrow_mut().detach();
        if keep_alive && self.skip().await { Then::Next } else { Then::Close }
    }

    /// Reads what is left of the request, if it comes soon; whether it did.
    async fn skip(&mut self) -> bool {
        let mut until = None;
        poll_fn(|cx| {
            if let Poll::Ready(all) = self.intake.borrow_mut().poll_skip(cx) {
                return Poll::Ready(all);
            }
            let until = *until.get_or_insert_with(|| Instant::now() + LINGER);
            poll_at(&mut self.deadline, until, cx).map(|()| false)
        })
        .await
    }

    /// Writes what goes before the answer: that the request's body is wanted, and what its endpoint has said in between.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.intake.borrow_mut().take_wanted() {
            self.out.text.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.state.interim.take(&mut self.out.text);
        if self.out.is_sent() {
            return Poll::Ready(Ok(()));
        }
        self.poll_write(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = &mut self.intake.borrow_mut().io;
        self.out.poll_write(io, &self.state, &self.settings.deadlines, cx)
    }

    /// Writes what there is of the answer, and what comes of its body.
    fn poll_send(
        &mut self,
        body: &mut H::Body,
        framing: &mut Framing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let before = framing.left();
        loop {
            while self.out.has_room() && !framing.is_over() && self.poll_say(body, framing, cx)?.is_ready() {}
            let is_over = framing.is_over();
            let had = !self.out.is_empty();
            let written = self.poll_write(cx);
            match written? {
                Poll::Ready(()) if is_over => return Poll::Ready(Ok(())),
                // Others of this worker's have something to do, too.
                Poll::Ready(()) if before - framing.left() >= TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // There is room again.
                Poll::Ready(()) if had => {}
                _ if self.refused => return Poll::Pending,
                _ => return self.intake.borrow_mut().poll_left(cx).map(|()| Err(Broken)),
            }
        }
    }

    /// Has the body say what is to be written next.
    fn poll_say(
        &mut self,
        body: &mut H::Body,
        framing: &mut Framing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let octets = body.passes();
        if framing.takes(octets)
            && self.intake.borrow_mut().io.bare().is_some()
            && let Some(pipe) = self.out.passage.open(octets, &self.kit.pipes)
        {
            let passed = ready!(Pin::new(body).poll_pass(pipe, cx));
            return Poll::Ready(passed.map(|octets| framing.pass(octets as u64)).map_err(|_| Broken));
        }
        let frame = ready!(Pin::new(body).poll_frame(cx));
        Poll::Ready(self.say(frame, framing))
    }

    fn say<E>(
        &mut self,
        frame: Option<Result<http_body::Frame<Bytes>, E>>,
        framing: &mut Framing,
    ) -> Result<(), Broken> {
        let said = match frame {
            None => framing.end(None, &mut self.out),
            Some(Err(_)) => false,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => {
                    framing.say(piece, &mut self.out);
                    true
                }
                Err(frame) => {
                    let trailers: Option<HeaderMap> = frame.into_trailers().ok();
                    framing.end(trailers.as_ref(), &mut self.out)
                }
            },
        };
        if said { Ok(()) } else { Err(Broken) }
    }

    /// Closes so that the peer can still read the answer: our side first, then what it goes on sending is read and thrown away for a
    /// while. A socket that is closed with bytes unread is reset, and the reset destroys an answer on its way (RFC 9112 §9.6).
    async fn close(mut self) {
        let until = Instant::now() + LINGER;
        let owes = {
            let intake = self.intake.borrow();
            self.refused || !intake.is_all_read() || !intake.read.is_empty()
        };
        let mut is_shut = false;
        poll_fn(|cx| {
            let mut intake = self.intake.borrow_mut();
            if !is_shut {
                match Pin::new(&mut intake.io).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => is_shut = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return poll_at(&mut self.deadline, until, cx),
                }
            }
            // Who sends without an end is read from without one: the clock is asked first.
            if !owes || Instant::now() >= until || intake.poll_drained(cx).is_ready() {
                return Poll::Ready(());
            }
            poll_at(&mut self.deadline, until, cx)
        })
        .await;
    }
}

/// An answer can't be sent to its end.
struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

fn poll_at(deadline: &mut Option<Deadline>, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let deadline = deadline.get_or_insert_with(|| Deadline::at(at));
    deadline.set(at);
    deadline.poll(cx)
}
