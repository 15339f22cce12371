//! What a thread's sockets are about to send.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use socket2::SockRef;
use tokio::time::Instant;

/// Octets of a message that waits for others, at most: what is longer is worth a call of its own.
pub(super) const SMALL: usize = 4 * 1024;

/// Messages that are sent together. With twice as many nothing is won, and the first has to wait.
const TOGETHER: usize = 8;

/// Octets of a socket's that wait, at most: several small messages of one make one call.
pub(super) const WAITING_MAX: usize = 4 * SMALL;

/// How long one waits, about, while its worker always has something to do.
const WAITS_MAX: Duration = Duration::from_micros(100);

thread_local! {
    static TURN: Turn = const { Turn { taken: Cell::new(false), queue: RefCell::new(Vec::new()), since: Cell::new(None), spare: RefCell::new(Vec::new()) } };
}

struct Turn {
    /// Whether this thread promises to call [`send_what_waits`].
    taken: Cell<bool>,
    queue: RefCell<Vec<Rc<Waiting>>>,
    /// When the first of them was first seen to wait.
    since: Cell<Option<Instant>>,
    /// Buffers that nobody uses.
    spare: RefCell<Vec<Vec<u8>>>,
}

/// From now on this thread's sockets send together. Whoever says so promises that [`send_what_waits`] is called
/// each time before the thread waits for anything.
pub fn take_turns() {
    TURN.with(|turn| turn.taken.set(true));
}

/// Sends what waits on this thread.
pub fn send_what_waits() {
    TURN.with(Turn::send);
}

/// Sends what has waited for too long on this thread. To be called again and again while the thread has something to do: nothing
/// else ends the wait of a few messages then.
pub fn send_what_has_waited(now: Instant) {
    TURN.with(|turn| {
        if turn.queue.borrow().is_empty() {
            return;
        }
        let since = turn.since.get().unwrap_or(now);
        turn.since.set(Some(since));
        if now.saturating_duration_since(since) >= WAITS_MAX {
            turn.send();
        }
    });
}

/// What one socket is about to send.
#[derive(Debug)]
pub(super) struct Waiting {
    socket: Cell<Option<RawFd>>,
    octets: RefCell<Vec<u8>>,
    state: Cell<State>,
    fault: RefCell<Option<io::Error>>,
    /// Whoever wrote last: to be woken if the socket does not take it. Not kept when it has: the socket may wait for long then,
    /// and another's memory with it.
    writer: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// There is nothing.
    Empty,
    /// It is sent with the others.
    Queued,
    /// The socket did not take all of it: the rest comes before anything else, when there is room.
    Stuck,
    /// The socket takes nothing any more.
    Broken,
}

impl Turn {
    fn send(&self) {
        if self.queue.borrow().is_empty() {
            return;
        }
        self.since.set(None);
        // Taken out: whoever is woken here may write.
        let mut queue = self.queue.take();
        for waiting in queue.drain(..) {
            waiting.send();
        }
        let mut new = self.queue.borrow_mut();
        if new.is_empty() {
            // With its room.
            *new = queue;
        }
    }

    fn push(&self, waiting: &Rc<Waiting>) {
        let are_enough = {
            let mut queue = self.queue.borrow_mut();
            queue.push(Rc::clone(waiting));
            queue.len() >= TOGETHER
        };
        if are_enough {
            self.send();
        }
    }
}

impl Waiting {
    pub(super) fn of(socket: RawFd) -> Rc<Self> {
        Rc::new(Self {
            socket: Cell::new(Some(socket)),
            octets: RefCell::default(),
            state: Cell::new(State::Empty),
            fault: RefCell::default(),
            writer: RefCell::default(),
        })
    }

    pub(super) fn state(&self) -> State {
        self.state.get()
    }

    /// Whether this thread's sockets send together at all.
    pub(super) fn is_possible() -> bool {
        TURN.with(|turn| turn.taken.get())
    }

    /// Takes a small message, to be sent soon. `false`: there is no room for it, or something is in its way.
    pub(super) fn take(self: &Rc<Self>, message: &[u8], cx: &Context<'_>) -> bool {
        let is_new = self.state.get() == State::Empty;
        {
            let mut octets = self.octets.borrow_mut();
            if !(is_new || self.state.get() == State::Queued) || octets.len() + message.len() > WAITING_MAX {
                return false;
            }
            if octets.capacity() == 0 {
                *octets = TURN.with(|turn| turn.spare.borrow_mut().pop()).unwrap_or_default();
            }
            octets.extend_from_slice(message);
        }
        *self.writer.borrow_mut() = Some(cx.waker().clone());
        if is_new {
            self.state.set(State::Queued);
            TURN.with(|turn| turn.push(self));
        }
        true
    }

    /// Sends what waits, if it is to be sent with others.
    pub(super) fn send(&self) {
        if self.state.get() != State::Queued {
            return;
        }
        let Some(socket) = self.socket.get() else { return self.clear() };
        // SAFETY: the socket is open until `close` is called, which forgets its number.
        #[allow(unsafe_code)]
        let socket = unsafe { BorrowedFd::borrow_raw(socket) };
        let mut octets = self.octets.borrow_mut();
        let sent = SockRef::from(&socket).send_with_flags(&octets, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
        match sent {
            Ok(sent) if sent == octets.len() => {
                drop(octets);
                return self.clear();
            }
            Ok(sent) => {
                octets.drain(..sent);
                self.state.set(State::Stuck);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.state.set(State::Stuck),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.state.set(State::Stuck),
            Err(error) => {
                *self.fault.borrow_mut() = Some(error);
                *octets = Vec::new();
                self.state.set(State::Broken);
            }
        }
        drop(octets);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// The rest of what is stuck; `sent` is told how much of it was.
    pub(super) fn with_rest<T>(&self, send: impl FnOnce(&[u8]) -> (T, usize)) -> T {
        let mut octets = self.octets.borrow_mut();
        let (outcome, sent) = send(&octets);
        let sent = sent.min(octets.len());
        octets.drain(..sent);
        let is_all = octets.is_empty();
        drop(octets);
        if is_all {
            self.clear();
        }
        outcome
    }

    /// Why the socket takes nothing any more.
    pub(super) fn fault(&self) -> io::Error {
        // Told in full once: an error can't be copied.
        self.fault.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// The socket is about to be closed.
    pub(super) fn close(&self) {
        self.send();
        self.socket.set(None);
        self.clear();
    }

    fn clear(&self) {
        self.state.set(State::Empty);
        *self.writer.borrow_mut() = None;
        let mut octets = self.octets.take();
        octets.clear();
        // At the thread's end there may be none any more.
        let _ = TURN.try_with(|turn| {
            let mut spare = turn.spare.borrow_mut();
            if spare.len() < TOGETHER && octets.capacity() > 0 && octets.capacity() <= WAITING_MAX {
                spare.push(octets);
            }
        });
    }
}
