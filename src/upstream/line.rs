//! A connection to an endpoint, and those that wait for their next request.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use hashbrown::HashMap;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::endpoint::EndpointId;
use super::heirs::{Heirs, Legacy};
use super::inbox::Reading;
use super::io::Io;
use super::open::Open;
use crate::breaker::Breaker;
use crate::net::Pipes;
use crate::net::rooms::{Rooms, Size};
use crate::time::Deadline;
use crate::types::TenantId;

/// With less room than this, more is made before a read.
const ROOM_MIN: usize = 4 * 1024;

/// A connection to an endpoint. Its I/O is done on the task of whoever uses it: a response wakes one
/// task, once.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) io: Io,
    /// What was read and not taken yet.
    pub(super) read: BytesMut,
    /// How large the buffer is that it stands in.
    room: Size,
    /// Whether it has served a request before.
    pub(super) served: bool,
    pub(super) upload: Upload,
    /// The only tenant that it is ever used for, where tenants share none.
    pub(super) owner: Option<TenantId>,
    pub(super) open: Open,
}

/// What became of a request's body that was still being sent when its response began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    /// It was sent before, or there was none.
    Done,
    /// It is under way.
    Running,
    /// It broke off: nothing can follow on this connection.
    Failed,
}

impl Line {
    pub(super) fn new(io: Io, owner: Option<&TenantId>, open: Open) -> Self {
        Self {
            io,
            read: BytesMut::new(),
            room: Size::Small,
            served: false,
            upload: Upload::Done,
            owner: owner.cloned(),
            open,
        }
    }

    /// Reads some bytes; 0 is the connection's end. `expected` octets are known to come.
    pub(super) fn poll_fill(
        &mut self,
        expected: u64,
        rooms: &Rooms,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let size = Size::of(expected);
        if self.read.is_empty() && (self.read.capacity() == 0 || self.room != size) {
            self.leave_room(rooms);
            (self.read, self.room) = (rooms.take(size), size);
        } else if self.read.capacity() - self.read.len() < ROOM_MIN {
            self.read.reserve(size.octets());
        }
        let read = pin!(self.io.read_buf(&mut self.read)).poll(cx);
        if read.is_pending() {
            self.leave_room(rooms);
        }
        read
    }

    /// Leaves its buffer to others, if nothing is in it.
    pub(super) fn leave_room(&mut self, rooms: &Rooms) {
        if self.read.is_empty() && self.read.capacity() > 0 {
            rooms.leave(std::mem::take(&mut self.read), self.room);
        }
    }

    /// Whether it can take a request: an idle connection from which something comes, be it its end, can't. It is looked at also by a task
    /// that has used up its turn, to which tokio would say that nothing is there: what is taken for quiet then may have the next answer
    /// ready, and that would be somebody else's.
    pub(super) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0_u8; 1];
        let mut buf = ReadBuf::new(&mut byte);
        let io = &mut self.io;
        let look = unconstrained(poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut buf)));
        self.read.is_empty() && pin!(look).poll(cx).is_pending()
    }
}

/// Idle connections by endpoint, some of them one tenant's alone. The last one used is used first, so that those that
/// are not needed grow old and are closed. Also keeps what else one request can leave to the next.
#[derive(Debug)]
pub(super) struct Idle {
    waiting: RefCell<HashMap<EndpointId, Vec<Waiting>>>,
    pub(super) heirs: Heirs,
    // The time of the last sweep: exact enough to grow old by, and free to read.
    now: Cell<Instant>,
    deadlines: RefCell<Vec<Deadline>>,
    texts: RefCell<Vec<Vec<u8>>>,
    pub(super) rooms: Rooms,
    /// For requests' bodies to pass through.
    pub(super) pipes: Pipes,
    pub(super) reading: Reading,
}

#[derive(Debug)]
struct Waiting {
    line: Box<Line>,
    since: Instant,
    keep: Duration,
}

/// Timers and buffers that are kept for the next requests.
const KEPT_MAX: usize = 1024;
/// A buffer that has grown beyond this is not kept.
const TEXT_KEPT_MAX: usize = 16 * 1024;

impl Default for Idle {
    fn default() -> Self {
        let now = Cell::new(Instant::now());
        let (waiting, heirs) = (RefCell::default(), Heirs::default());
        Self {
            waiting,
            heirs,
            now,
            deadlines: RefCell::default(),
            texts: RefCell::default(),
            rooms: Rooms::default(),
            pipes: Pipes::default(),
            reading: Reading::default(),
        }
    }
}

impl Idle {
    /// A connection that can take a request now. It is looked at on the way: one that its endpoint has
    /// closed meanwhile is not given out, nor is one that is another tenant's than the `owner`.
    pub(super) fn take(
        &self,
        endpoint: EndpointId,
        owner: Option<&TenantId>,
        cx: &mut Context<'_>,
    ) -> Option<Box<Line>> {
        let mut idle = self.waiting.borrow_mut();
        let waiting = idle.get_mut(&endpoint)?;
        // Where nobody owns any, the last one is found at once.
        while let Some(at) = waiting.iter().rposition(|one| one.line.owner.as_ref() == owner) {
            let Waiting { mut line, .. } = waiting.remove(at);
            if line.is_quiet(cx) {
                return Some(line);
            }
        }
        None
    }

    /// Keeps a connection for the endpoint's next request, if nobody waits for one. Of more than `idle_max`, whosever
    /// they are, the one that has waited longest goes.
    pub(super) fn put(&self, endpoint: EndpointId, mut line: Box<Line>, idle_max: usize, keep: Duration) {
        if idle_max == 0 || line.upload != Upload::Done || !line.read.is_empty() {
            return;
        }
        line.leave_room(&self.rooms);
        line.served = true;
        line.open.unused();
        if line.open.is_wanted() {
            return self.pass_on(endpoint, Legacy { line, idle_max, keep });
        }
        let mut idle = self.waiting.borrow_mut();
        let waiting = idle.entry(endpoint).or_default();
        if waiting.len() >= idle_max {
            waiting.remove(0);
        }
        waiting.push(Waiting { line, since: self.now.get(), keep });
    }

    /// Leaves a connection to who waits for it on this worker. Else it closes, which makes room for who waits elsewhere.
    fn pass_on(&self, endpoint: EndpointId, legacy: Legacy) {
        if !legacy.line.open.is_exceeding() {
            let first_since = legacy.line.open.awaited_since();
            drop(self.heirs.leave(endpoint, legacy, first_since));
        }
    }

    /// Closes one of this breaker's, the one that has waited longest of its endpoint's; whether there was any.
    pub(super) fn let_go(&self, breaker: &Arc<Breaker>) -> bool {
        let mut idle = self.waiting.borrow_mut();
        let is_one =
            |waiting: &&mut Vec<Waiting>| waiting.first().is_some_and(|one| one.line.open.is_of(breaker));
        let Some(waiting) = idle.values_mut().find(is_one) else { return false };
        waiting.remove(0);
        true
    }

    /// Closes those that are in the way of who waits, and no more.
    pub(super) fn give_way(&self) {
        for waiting in self.waiting.borrow_mut().values_mut() {
            // Each that closes lets somebody in.
            waiting.retain(|one| !one.line.open.is_wanted());
        }
    }

    /// Closes what has waited too long, was closed by its endpoint, or leads where nothing goes any more.
    pub(super) fn sweep(&self, is_configured: impl Fn(EndpointId) -> bool) {
        let now = Instant::now();
        self.now.set(now);
        self.rooms.clear();
        self.pipes.clear();
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        self.waiting.borrow_mut().retain(|endpoint, waiting| {
            if !is_configured(*endpoint) {
                return false;
            }
            waiting
                .retain_mut(|one| now.duration_since(one.since) < one.keep && one.line.is_quiet(&mut nobody));
            !waiting.is_empty()
        });
    }

    /// Closes all of them.
    pub(super) fn clear(&self) {
        self.waiting.borrow_mut().clear();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().values().map(Vec::len).sum()
    }

    /// A deadline, most often one that served before: its timer need not be set anew.
    pub(super) fn deadline(&self, at: Instant) -> Deadline {
        match self.deadlines.borrow_mut().pop() {
            Some(mut deadline) => {
                deadline.set(at);
                deadline
            }
            None => Deadline::at(at),
        }
    }

    /// Keeps a deadline for the next request.
    pub(super) fn keep_deadline(&self, deadline: Deadline) {
        let mut kept = self.deadlines.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(deadline);
        }
    }

    /// A buffer to encode a request into.
    pub(super) fn text(&self) -> Vec<u8> {
        self.texts.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    /// Keeps a buffer for the next request.
    pub(super) fn keep_text(&self, text: Vec<u8>) {
        let mut kept = self.texts.borrow_mut();
        if kept.len() < KEPT_MAX && text.capacity() <= TEXT_KEPT_MAX {
            kept.push(text);
        }
    }
}

/// A connection on loan to one exchange: given back when its response has ended well, else closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) idle: Rc<Idle>,
    pub(super) endpoint: EndpointId,
    pub(super) idle_max: usize,
    pub(super) keep: Duration,
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;
    use crate::telemetry::{Metrics, Protocol};
    use crate::upstream::io::Socket;

    #[tokio::test]
    async fn who_has_used_up_a_turn_sees_what_has_come_all_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (ours, (mut theirs, _)) = (ours.unwrap(), theirs.unwrap());
        let metered = Metrics::new(1).unwrap().listener("test").opened(Protocol::Http1);
        let io = Io::Plain(Socket::tcp(ours));
        let mut line = Line::new(io, None, Open::new(metered, None));
        assert!(poll_fn(|cx| Poll::Ready(line.is_quiet(cx))).await);
        theirs.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        // The runtime has to have looked at its sockets.
        while poll_fn(|cx| Poll::Ready(line.is_quiet(cx))).await {
            tokio::task::yield_now().await;
        }
        poll_fn(|cx| {
            while has_budget_remaining() {
                assert!(pin!(consume_budget()).poll(cx).is_ready());
            }
            assert!(!line.is_quiet(cx));
            Poll::Ready(())
        })
        .await;
    }
}
