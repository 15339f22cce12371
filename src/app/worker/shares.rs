//! Whose turn it is among a worker's connections: those that ask little of it come before those that ask much.
//!
//! A runtime polls its tasks in the order in which they were woken, so that a client who asks for little would wait behind everybody
//! who keeps the worker busy. Here each connection has an account of the time that it takes. Who takes more than a small part of the
//! worker's, and who has just come, is polled for a while, and then waits until the sockets were looked at and everybody else has been
//! served. Nothing is held back while there is nobody else.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant};

/// How long connections that take much are polled before everybody else is.
const ROUND: Duration = Duration::from_micros(100);
/// A connection takes much of its worker's time when it takes more than one part in so many.
const PARTS: u32 = 32;
/// And more than this beyond it.
const CREDIT: Duration = Duration::from_micros(250);
/// What one turn is charged at the most: the system may have stopped the thread meanwhile, which is not the connection's doing.
const TURN_MAX: Duration = Duration::from_micros(500);
/// What is owed at the most: a second's part.
const DEBT_MAX: Duration = Duration::from_millis(32);
/// How long ago those who take little have been seen, for them to be waited for.
const LIVELY: Duration = Duration::from_secs(1);

/// The shares of one worker's time.
#[derive(Debug)]
pub(super) struct Shares {
    /// What those who take much have used of this round.
    used: Cell<Duration>,
    waiting: RefCell<VecDeque<Rc<Place>>>,
    /// Whoever ends the round, while nobody waits for that.
    idle: RefCell<Option<Waker>>,
    /// When one that takes little was polled.
    little: Cell<Instant>,
}

/// A connection's place among those that wait.
#[derive(Debug)]
struct Place {
    waker: RefCell<Waker>,
    state: Cell<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// It is its turn.
    Called,
    Gone,
}

impl Shares {
    pub(super) fn new() -> Self {
        // As if somebody had been there: whoever is the first to come has nobody to wait for in any case.
        let little = Cell::new(Instant::now());
        Self { used: Cell::default(), waiting: RefCell::default(), idle: RefCell::default(), little }
    }

    /// Gives a connection's work its share.
    pub(super) fn of<F: Future>(self: &Rc<Self>, work: F) -> Share<F> {
        Share { shares: Rc::clone(self), account: Account::new(), place: None, work }
    }

    /// Ends one round after the other, as long as somebody waits for that.
    pub(super) async fn keep(self: Rc<Self>) {
        loop {
            poll_fn(|cx| {
                if self.waiting.borrow().is_empty() {
                    *self.idle.borrow_mut() = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            // The runtime goes on with this when it has looked at its sockets, and behind whomever they have woken.
            yield_now().await;
            self.used.set(Duration::ZERO);
            self.call();
        }
    }

    fn is_used_up(&self) -> bool {
        self.used.get() >= ROUND
    }

    /// Calls the next, while the round lasts.
    fn call(&self) {
        if self.is_used_up() {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        while let Some(next) = waiting.pop_front() {
            if next.state.get() == State::Waiting {
                next.state.set(State::Called);
                next.waker.borrow().wake_by_ref();
                return;
            }
        }
    }

    /// Whether one that takes much has to wait. `place` is where it does.
    fn holds_back(&self, place: &mut Option<Rc<Place>>, now: Instant, cx: &Context<'_>) -> bool {
        if let Some(held) = place {
            if held.state.get() == State::Waiting {
                held.waker.borrow_mut().clone_from(cx.waker());
                return true;
            }
            *place = None;
            return false;
        }
        let nobody_waits = self.waiting.borrow().is_empty();
        if (nobody_waits && !self.is_used_up()) || now.saturating_duration_since(self.little.get()) > LIVELY {
            return false;
        }
        let new =
            Rc::new(Place { waker: RefCell::new(cx.waker().clone()), state: Cell::new(State::Waiting) });
        *place = Some(Rc::clone(&new));
        self.waiting.borrow_mut().push_back(new);
        if let Some(idle) = self.idle.take() {
            idle.wake();
        }
        true
    }
}

pin_project! {
    /// A connection's work, polled when it is its turn.
    #[derive(Debug)]
    pub(super) struct Share<F> {
        shares: Rc<Shares>,
        account: Account,
        place: Option<Rc<Place>>,
        #[pin]
        work: F,
    }

    impl<F> PinnedDrop for Share<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(place) = this.place.take()
                && place.state.replace(State::Gone) == State::Called
            {
                // Its turn is the next one's.
                this.shares.call();
            }
        }
    }
}

impl<F: Future> Future for Share<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let began = Instant::now();
        let much = this.account.is_overdrawn(began);
        if much && this.shares.holds_back(this.place, began, cx) {
            return Poll::Pending;
        }
        // Who has credit again waits no more, and keeps nobody else's turn.
        let had_turn =
            this.place.take().is_some_and(|place| place.state.replace(State::Gone) == State::Called);
        let polled = this.work.poll(cx);
        let ended = Instant::now();
        let took = ended.saturating_duration_since(began);
        this.account.charge(took);
        if much {
            this.shares.used.set(this.shares.used.get() + took);
        } else {
            this.shares.little.set(ended);
        }
        if much || had_turn {
            this.shares.call();
        }
        polled
    }
}

/// What a connection has taken of its worker's time beyond its part.
#[derive(Debug)]
struct Account {
    debt: Duration,
    since: Instant,
}

impl Account {
    /// Who has just come has no credit: it is earned by being there.
    fn new() -> Self {
        Self { debt: CREDIT * 2, since: Instant::now() }
    }

    fn is_overdrawn(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        self.since = now;
        self.debt = self.debt.saturating_sub(passed / PARTS);
        self.debt >= CREDIT
    }

    fn charge(&mut self, took: Duration) {
        self.debt = (self.debt + took.min(TURN_MAX)).min(DEBT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// Takes so much of the thread's time.
    fn take(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    /// Always has something to do, and counts its turns.
    async fn hog(turns: Rc<Cell<u32>>, time: Duration) {
        poll_fn(|cx| {
            take(time);
            turns.set(turns.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }

    fn of_one_who_takes_much<F: Future>(shares: &Rc<Shares>, work: F) -> Share<F> {
        let mut share = shares.of(work);
        share.account.debt = DEBT_MAX;
        share
    }

    fn of_one_who_takes_little<F: Future>(shares: &Rc<Shares>, work: F) -> Share<F> {
        let mut share = shares.of(work);
        share.account.debt = Duration::ZERO;
        share
    }

    #[tokio::test]
    async fn who_takes_little_waits_for_a_round_and_not_for_everybody() {
        const HOGS: u32 = 40;
        let tasks = LocalSet::new();
        let run = tasks.run_until(async {
            let shares = Rc::new(Shares::new());
            spawn_local(Rc::clone(&shares).keep());
            let turns = Rc::new(Cell::new(0));
            for _ in 0..HOGS {
                spawn_local(of_one_who_takes_much(&shares, hog(Rc::clone(&turns), ROUND / 2)));
            }
            let mut waited = Vec::new();
            for _ in 0..40 {
                let (mut near, mut far) = UnixStream::pair().unwrap();
                let echo = async move {
                    while let Ok(1) = far.read(&mut [0]).await {
                        far.write_all(b"x").await.unwrap();
                    }
                };
                spawn_local(of_one_who_takes_little(&shares, echo));
                let asking = of_one_who_takes_little(&shares, async {
                    near.write_all(b"x").await.unwrap();
                    let before = turns.get();
                    near.read_exact(&mut [0]).await.unwrap();
                    turns.get() - before
                });
                waited.push(asking.await);
            }
            assert!(turns.get() > 0, "they have their turns, too");
            waited
        });
        let waited = run.await;
        // A round there and one back, each with a turn that it ends in. Where the machine stops this thread meanwhile, who takes
        // little is charged for it, and waits with the others.
        let within = waited.iter().filter(|turns| **turns <= 6).count();
        assert!(within >= 20, "{waited:?}");
    }

    #[tokio::test]
    async fn all_that_take_much_have_their_turns() {
        const HOGS: usize = 10;
        let tasks = LocalSet::new();
        let run = tasks.run_until(async {
            let shares = Rc::new(Shares::new());
            spawn_local(Rc::clone(&shares).keep());
            let turns: Vec<_> = (0..HOGS).map(|_| Rc::new(Cell::new(0))).collect();
            for one in &turns {
                spawn_local(of_one_who_takes_much(&shares, hog(Rc::clone(one), ROUND)));
            }
            let began = Instant::now();
            while turns.iter().any(|one| one.get() < 5) {
                // Somebody is there who takes little.
                shares.little.set(Instant::now());
                assert!(began.elapsed() < Duration::from_secs(10), "{turns:?}");
                yield_now().await;
            }
            let most = turns.iter().map(|one| one.get()).max().unwrap();
            assert!(most <= 7, "one after the other: {turns:?}");
        });
        run.await;
    }

    #[test]
    fn nobody_is_held_back_while_there_is_nobody_else() {
        let shares = Shares::new();
        let cx = Context::from_waker(Waker::noop());
        shares.used.set(ROUND);
        let now = Instant::now();
        let mut place = None;
        assert!(!shares.holds_back(&mut place, now + LIVELY * 2, &cx));
        assert!(shares.holds_back(&mut place, now, &cx));
        shares.used.set(Duration::ZERO);
        assert!(shares.holds_back(&mut None, now, &cx), "behind who waits");
        shares.call();
        assert!(!shares.holds_back(&mut place, now, &cx), "it was called");
    }

    #[test]
    fn the_turn_of_one_who_is_gone_is_the_next_ones() {
        let shares = Rc::new(Shares::new());
        shares.used.set(ROUND);
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(shares.of(pending::<()>()))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut cx).is_pending());
        }
        let states = || shares.waiting.borrow().iter().map(|place| place.state.get()).collect::<Vec<_>>();
        assert_eq!(states(), [State::Waiting; 3]);
        waiting.remove(1);
        assert_eq!(states(), [State::Waiting, State::Gone, State::Waiting]);
        shares.used.set(Duration::ZERO);
        shares.call();
        assert_eq!(states(), [State::Gone, State::Waiting]);
        waiting.remove(0);
        assert_eq!(states(), [], "the last one is called, past the one that is gone");
        drop(waiting);
        assert_eq!(Rc::strong_count(&shares), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn credit_is_earned_by_being_there() {
        let mut account = Account::new();
        assert!(account.is_overdrawn(Instant::now()), "who has just come has none");
        tokio::time::advance(CREDIT * PARTS + Duration::from_millis(1)).await;
        assert!(!account.is_overdrawn(Instant::now()));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(!account.is_overdrawn(Instant::now()));
        account.charge(CREDIT);
        assert!(account.is_overdrawn(Instant::now()), "no more than so much is saved");
    }
}
