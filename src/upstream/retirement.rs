//! The end of an endpoint that was removed: what still runs there may go on for a while, and is cut then.
//!
//! Connections are cut, not requests: whatever waits for something from the endpoint (a response's head, its body, a
//! tunnel) waits on its connection, so one place serves all, and a request costs nothing by it. Each worker cuts its
//! own when it sweeps, about once a second.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use tokio::time::Instant;

use super::balancing::ns_of;

/// Until when what still runs at an endpoint may.
#[derive(Debug)]
pub(super) struct Retirement(AtomicU64);

impl Default for Retirement {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Retirement {
    /// At that moment it ends. Whether this was not known before; the first moment holds.
    pub(super) fn set(&self, at: Instant) -> bool {
        self.0.compare_exchange(u64::MAX, ns_of(at), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        at != u64::MAX && at <= ns_of(now)
    }
}

/// What a connection can be cut by from outside.
#[derive(Debug, Default)]
pub(super) struct Cord {
    cut: Cell<bool>,
    /// Who waits for something to be read.
    waiting: RefCell<Option<Waker>>,
}

impl Cord {
    /// Whether nothing may be read or written any more.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Whoever this is wants to know when it is cut: the last one does.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.as_ref().is_some_and(|waiting| waiting.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
    }

    fn cut(&self) {
        self.cut.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

/// The cords of a worker's connections.
#[derive(Debug, Default)]
pub(super) struct Cords(RefCell<Vec<(Arc<Retirement>, Weak<Cord>)>>);

impl Cords {
    /// A connection was opened, to an endpoint that may retire.
    pub(super) fn hold(&self, retirement: &Arc<Retirement>, cord: &Rc<Cord>) {
        self.0.borrow_mut().push((Arc::clone(retirement), Rc::downgrade(cord)));
    }

    /// Forgets connections that have ended, and cuts those to endpoints whose time is over.
    pub(super) fn sweep(&self, now: Instant) {
        let mut over = Vec::new();
        self.0.borrow_mut().retain(|(retirement, cord)| {
            if !retirement.is_over(now) {
                return cord.strong_count() > 0;
            }
            over.extend(cord.upgrade());
            false
        });
        over.iter().for_each(|cord| cord.cut());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_on_a_connection_is_woken_when_its_endpoint_has_ended() {
        let (leaving, staying) = (Arc::new(Retirement::default()), Arc::new(Retirement::default()));
        let (cords, cord, other) = (Cords::default(), Rc::new(Cord::default()), Rc::new(Cord::default()));
        cords.hold(&leaving, &cord);
        cords.hold(&staying, &other);
        cords.hold(&leaving, &Rc::default());
        let start = Instant::now();
        assert!(leaving.set(start + Duration::from_secs(5)) && !leaving.set(start));
        let cut = async {
            poll_fn(|cx| {
                cord.wait(cx);
                if cord.is_cut() { Poll::Ready(Instant::now() - start) } else { Poll::Pending }
            })
            .await
        };
        let sweeps = async {
            loop {
                cords.sweep(Instant::now());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let took = tokio::select! { took = cut => took, () = sweeps => unreachable!() };
        assert_eq!(took, Duration::from_secs(5));
        assert!(!other.is_cut());
        assert_eq!(cords.0.borrow().len(), 1, "only what is open is remembered");
    }
}
