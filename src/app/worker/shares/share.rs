//! A connection's work, polled when it is its turn.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::Shares;
use super::account::{Account, Client};
use super::line::{Place, State, Which};
use super::moment::Moment;
use crate::net;
use crate::time::in_turn;

pin_project! {
    /// A connection's work, polled when it is its turn.
    #[derive(Debug)]
    pub(in super::super) struct Share<F> {
        pub(super) shares: Rc<Shares>,
        pub(super) account: Account,
        pub(super) client: Rc<Client>,
        // It waits for its turn even if nobody was there lately.
        pub(super) is_patient: bool,
        // Kept, once there is one.
        pub(super) place: Option<Rc<Place>>,
        #[pin]
        pub(super) work: F,
    }

    impl<F> PinnedDrop for Share<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.place.take().is_some_and(|place| this.shares.leave(&place)) {
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
        let shares = &**this.shares;
        let (turn, began) = shares.now();
        let mut called = None;
        if let Some(place) = this.place {
            match place.state.get() {
                State::Called { line } => {
                    place.state.set(State::Away);
                    // Nothing is paid by waiting.
                    this.account.pause(began.since(place.since.get()));
                    called = Some((line, place.expected.get()));
                }
                // Woken by something else meanwhile.
                State::Waiting { .. } => {
                    place.waker.borrow_mut().clone_from(cx.waker());
                    return Poll::Pending;
                }
                State::Away => {}
            }
        }
        let line = if this.account.is_overdrawn(began) { Which::Much } else { Which::Little };
        let is_alone = !shares.meets(this.client, began);
        if called.is_none() && !shares.is_free(line, is_alone, *this.is_patient, began) {
            shares.enter(line, this.place, this.client, began, cx);
            return Poll::Pending;
        }
        let polled = in_turn(turn, || this.work.poll(cx));
        let ended = Instant::now();
        // The worker may go on without ever having nothing to do.
        net::send_what_has_waited(ended);
        let (next_turn, ended) = (ended, Moment::of(ended));
        let took = ended.since(began);
        this.account.charge(ended, took);
        if let Some((line, expected)) = called {
            this.client.charge(line, expected, took);
            shares.lines.of(line).passes(took);
        }
        let line = called.map_or(line, |(line, _)| line);
        shares.took(line, (next_turn, ended), took);
        if called.is_some() || line == Which::Much {
            shares.call();
        }
        polled
    }
}
