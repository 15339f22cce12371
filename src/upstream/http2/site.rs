//! The connections that a worker has to an endpoint, and who waits for room on them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::link::{Carried, Link};
use crate::breaker::{Breaker, Permit};
use crate::upstream::client::SendFailure;

/// Connections of a worker to one endpoint.
const LINKS_MAX: usize = 64;
/// Whoever waits for room looks after so long for what nobody tells of: a GOAWAY, or SETTINGS that allow more.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A worker's connections to one endpoint; for one tenant alone, where tenants share none. Requests beyond what they carry wait here, in turn, and never in h2: there
/// it could not be told that the endpoint had not seen them.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Site {
    links: RefCell<Vec<Rc<Link>>>,
    /// Tells whoever waits longest of room, or that it may open a connection.
    room: Rc<Notify>,
    waiting: Cell<usize>,
    /// One connection is opened at a time: whoever waits for it will most often find room on it.
    is_opening: Cell<bool>,
    /// The endpoint has chosen HTTP/1.1, where it could choose.
    pub(in crate::upstream) prefers_http1: Cell<bool>,
}

/// What a request may do whose turn it is.
pub(in crate::upstream) enum Turn<'s> {
    /// Go by this connection.
    Place(Carried),
    /// Open a connection, while this is held. It has its place among those of the pool, or none yet.
    Open(Opening<'s>, Option<Permit>),
    /// Open one for itself: the endpoint prefers HTTP/1.1.
    Alone,
}

/// The right to open a connection.
pub(in crate::upstream) struct Opening<'s>(&'s Site);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.is_opening.set(false);
        self.0.room.notify_one();
    }
}

/// A request that waits.
struct Waiting<'s>(&'s Cell<usize>);

impl<'s> Waiting<'s> {
    fn count(waiting: &'s Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Site {
    /// A place for a request on a connection that has room, opened not before that moment; none while others wait.
    pub(in crate::upstream) fn pick(&self, not_before: Option<Instant>) -> Option<Carried> {
        if self.waiting.get() > 0 { None } else { self.place(not_before) }
    }

    /// Waits for a place on a connection, or until this one may open another. Whoever calls it sets the deadline.
    ///
    /// `more` says whether the pool may have one more. Where it may not, the request waits for room on those that are
    /// there, which `more` is told; only if there are none that will do, it is let go to wait for its pool's.
    ///
    /// # Errors
    /// Those of `more`.
    pub(in crate::upstream) async fn turn(
        &self,
        not_before: Option<Instant>,
        mut more: impl FnMut(bool) -> Result<Option<Permit>, SendFailure>,
    ) -> Result<Turn<'_>, SendFailure> {
        let mut is_first = self.waiting.get() == 0;
        let _waiting = Waiting::count(&self.waiting);
        loop {
            if !is_first {
                let _ = timeout(LOOK_AGAIN, self.room.notified()).await;
            }
            is_first = false;
            if self.prefers_http1.get() {
                self.room.notify_one();
                return Ok(Turn::Alone);
            }
            if let Some(carried) = self.place(not_before) {
                // There may be room for the next one too.
                self.room.notify_one();
                return Ok(Turn::Place(carried));
            }
            if !self.is_opening.get() && self.may_open(not_before) {
                let shares = self.has(not_before);
                let place = more(shares)?;
                if place.is_some() || !shares {
                    self.is_opening.set(true);
                    return Ok(Turn::Open(Opening(self), place));
                }
            }
        }
    }

    /// Whether a connection is being opened.
    pub(in crate::upstream) fn is_opening(&self) -> bool {
        self.is_opening.get()
    }

    /// Who is to be told of room.
    pub(in crate::upstream) fn room(&self) -> Rc<Notify> {
        Rc::clone(&self.room)
    }

    /// Lets others use a connection, if there are not too many: it closes behind its request then.
    pub(in crate::upstream) fn share(&self, link: Rc<Link>) {
        let mut links = self.links.borrow_mut();
        if links.len() < LINKS_MAX {
            links.push(link);
        }
    }

    fn place(&self, not_before: Option<Instant>) -> Option<Carried> {
        let mut links = self.links.borrow_mut();
        let is_able = |link: &Rc<Link>| link.has_room() && not_before.is_none_or(|at| link.opened() >= at);
        while let Some((nth, link)) = links.iter().enumerate().find(|(_, link)| is_able(link)) {
            if !link.is_gone() {
                return Some(Carried::by(Rc::clone(link)));
            }
            links.remove(nth);
        }
        None
    }

    /// Whether there is a connection that would do, had it room.
    fn has(&self, not_before: Option<Instant>) -> bool {
        self.links
            .borrow()
            .iter()
            .any(|link| !link.is_gone() && not_before.is_none_or(|at| link.opened() >= at))
    }

    /// Whether there is room for a connection more. Where only a new one will do, one that is older leaves: its
    /// requests run to their ends.
    fn may_open(&self, not_before: Option<Instant>) -> bool {
        let mut links = self.links.borrow_mut();
        links.retain(|link| !link.is_gone());
        if links.len() >= LINKS_MAX
            && let Some(old) = links.iter().position(|link| not_before.is_some_and(|at| link.opened() < at))
        {
            links.remove(old);
        }
        links.len() < LINKS_MAX
    }

    pub(super) fn sweep(&self, now: Instant, keep: Duration) {
        self.links.borrow_mut().retain(|link| {
            let is_old = link.is_idle() && now.duration_since(link.heard()) >= keep;
            !is_old && !link.is_gone()
        });
    }

    /// Closes a connection of this breaker's that carries no request; whether there was any.
    pub(super) fn let_go(&self, breaker: &Arc<Breaker>) -> bool {
        let mut links = self.links.borrow_mut();
        let one = links.iter().position(|link| link.is_idle() && link.counted().is_of(breaker));
        one.map(|at| links.remove(at)).is_some()
    }

    /// Closes those that carry no request and are in the way of who waits.
    pub(super) fn give_way(&self) {
        // Each that closes lets somebody in.
        self.links.borrow_mut().retain(|link| !(link.is_idle() && link.counted().is_wanted()));
    }

    /// Those that carry no request.
    pub(super) fn idle(&self) -> Vec<Rc<Link>> {
        self.links.borrow().iter().filter(|link| link.is_idle()).cloned().collect()
    }

    /// Lets go of these.
    pub(super) fn leave(&self, left: &[Rc<Link>]) {
        self.links.borrow_mut().retain(|link| !left.iter().any(|other| Rc::ptr_eq(other, link)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.borrow().is_empty()
    }
}
