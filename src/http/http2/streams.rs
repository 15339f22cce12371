//! The streams of a connection that are being answered: its own task polls them, so that a connection has one turn among the
//! others however many streams it has, and all end with it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant};

/// Streams that are polled in one turn of their connection.
const TURN: u32 = 8;
/// And for how long: no other is polled after that.
const TURN_WITHIN: Duration = Duration::from_micros(100);

/// Such streams.
#[derive(Default)]
pub(super) struct Streams {
    under_way: FuturesUnordered<Answering>,
    turn: Rc<Turn>,
    /// Some have been started, and nobody would wake the task for them.
    new: bool,
}

impl Streams {
    /// One more stream is answered, once it is polled.
    pub(super) fn start<F: Future<Output = ()> + 'static>(&mut self, answer: impl FnOnce() -> F) {
        self.new = true;
        // Made where it stays: it is some KiB, of which little is there yet.
        let answer: Box<F> = Box::write(Box::new_uninit(), answer());
        self.under_way.push(Answering { answer: Box::into_pin(answer), turn: Rc::clone(&self.turn) });
    }

    /// Has a turn: polls those that have something to do, or the first of them; whoever has to wait has the task woken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        self.turn.begin();
        self.poll_on(cx);
    }

    /// Goes on with the turn if some have been started since.
    pub(super) fn poll_new(&mut self, cx: &mut Context<'_>) {
        if self.new {
            // What was done since is none of theirs.
            self.turn.since.set(Instant::now());
            self.poll_on(cx);
        }
    }

    /// Whether some have been left for the next turn, which will come.
    pub(super) fn is_cut(&self) -> bool {
        self.turn.left_out.get()
    }

    /// Lets go of all that are left, a turn's worth at a time: each may have an endpoint's connection to close.
    pub(super) async fn end(&mut self) {
        let left = std::mem::take(&mut self.under_way);
        self.turn.begin();
        for one in left {
            drop(one);
            self.turn.took_one();
            if self.turn.is_over() {
                yield_now().await;
                self.turn.begin();
            }
        }
    }

    fn poll_on(&mut self, cx: &mut Context<'_>) {
        self.new = false;
        while let Poll::Ready(Some(())) = self.under_way.poll_next_unpin(cx) {}
    }
}

/// A turn of the connection.
struct Turn {
    /// How many streams may still be polled in it.
    left: Cell<u32>,
    since: Cell<Instant>,
    /// One had something to do, and has to wait for the next.
    left_out: Cell<bool>,
}

impl Default for Turn {
    fn default() -> Self {
        Self { left: Cell::default(), since: Cell::new(Instant::now()), left_out: Cell::default() }
    }
}

impl Turn {
    fn begin(&self) {
        self.left.set(TURN);
        self.since.set(Instant::now());
        self.left_out.set(false);
    }

    fn is_over(&self) -> bool {
        self.left.get() == 0
    }

    fn took_one(&self) {
        let is_over = self.since.get().elapsed() >= TURN_WITHIN;
        self.left.set(if is_over { 0 } else { self.left.get().saturating_sub(1) });
    }
}

/// One of them.
struct Answering {
    answer: Pin<Box<dyn Future<Output = ()>>>,
    turn: Rc<Turn>,
}

impl Future for Answering {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn.is_over() {
            self.turn.left_out.set(true);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // A panic ends its own stream, which is reset, and no other of the client's; the hook has told of it.
        let polled =
            catch_unwind(AssertUnwindSafe(|| self.answer.as_mut().poll(cx))).unwrap_or(Poll::Ready(()));
        self.turn.took_one();
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::poll_fn;

    fn polled(streams: &mut Streams) {
        streams.poll(&mut Context::from_waker(std::task::Waker::noop()));
    }

    #[test]
    fn a_turn_has_an_end_and_everybody_has_a_turn() {
        let (mut streams, wakers) = (Streams::default(), Rc::new(RefCell::new(Vec::new())));
        for nth in 0..100 {
            let wakers = Rc::clone(&wakers);
            streams.start(|| {
                poll_fn(move |cx| {
                    wakers.borrow_mut().push((nth, cx.waker().clone()));
                    Poll::Pending
                })
            });
        }
        for _ in 0..3 {
            let mut turns = 0;
            while wakers.borrow().len() < 100 {
                let before = wakers.borrow().len();
                polled(&mut streams);
                assert!(wakers.borrow().len() - before <= TURN as usize);
                turns += 1;
                assert!(turns < 100, "{} are left out", 100 - wakers.borrow().len());
            }
            let mut woken = std::mem::take(&mut *wakers.borrow_mut());
            woken.iter().for_each(|(_, waker)| waker.wake_by_ref());
            woken.sort_by_key(|(nth, _)| *nth);
            woken.dedup_by_key(|(nth, _)| *nth);
            assert_eq!(woken.len(), 100, "each has had one");
        }
    }

    #[test]
    fn a_turn_is_bounded_by_time_and_only_who_is_left_out_cuts_it() {
        let (mut streams, polled_streams) = (Streams::default(), Rc::new(Cell::new(0)));
        let start = |streams: &mut Streams| {
            let polled_streams = Rc::clone(&polled_streams);
            streams.start(|| async move {
                let began = Instant::now();
                while began.elapsed() < TURN_WITHIN {
                    std::hint::spin_loop();
                }
                polled_streams.set(polled_streams.get() + 1);
            });
        };
        start(&mut streams);
        polled(&mut streams);
        assert_eq!(polled_streams.get(), 1);
        assert!(!streams.is_cut(), "nobody waits");
        start(&mut streams);
        start(&mut streams);
        polled(&mut streams);
        assert_eq!(polled_streams.get(), 2);
        assert!(streams.is_cut());
        polled(&mut streams);
        assert_eq!(polled_streams.get(), 3);
        assert!(!streams.is_cut());
    }

    #[test]
    fn a_panic_ends_its_own_stream_only() {
        let (mut streams, ended) = (Streams::default(), Rc::new(Cell::new(false)));
        streams.start(|| async { panic!("of one stream") });
        streams.start({
            let ended = Rc::clone(&ended);
            move || async move { ended.set(true) }
        });
        (0..4).for_each(|_| polled(&mut streams));
        assert!(ended.get());
        assert!(streams.under_way.is_empty());
    }

    #[tokio::test]
    async fn they_end_in_turns() {
        let (mut streams, held) = (Streams::default(), Rc::new(()));
        for _ in 0..3 * TURN {
            let held = Rc::clone(&held);
            streams.start(|| async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        }
        {
            let mut ending = std::pin::pin!(streams.end());
            let is_over = poll_fn(|cx| Poll::Ready(ending.as_mut().poll(cx).is_ready())).await;
            assert!(!is_over);
            assert_eq!(Rc::strong_count(&held), 1 + 2 * TURN as usize);
            ending.await;
        }
        assert_eq!(Rc::strong_count(&held), 1);
    }

    #[test]
    fn all_end_with_it() {
        let (mut streams, held) = (Streams::default(), Rc::new(()));
        for _ in 0..10 {
            let held = Rc::clone(&held);
            streams.start(|| async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        }
        assert_eq!(Rc::strong_count(&held), 11);
        drop(streams);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
