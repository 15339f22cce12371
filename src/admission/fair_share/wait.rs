//! Waiting for a seat. Deadlines are the caller's: dropping the wait leaves the queue at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::member::Ticket;
use super::seat::Seat;
use super::share::{Asked, Share};

/// A request in its tenant's queue. Resolves with its seat.
///
/// Nothing is lost when it is dropped: before its turn it leaves the queue, and a seat that is on its way
/// is given back, by whichever of the two ends comes last.
#[derive(Debug)]
pub struct Waiting {
    share: Arc<Share>,
    ticket: Option<Ticket>,
    receiver: Option<oneshot::Receiver<Seat>>,
}

impl Waiting {
    pub(super) fn new(share: Arc<Share>, ticket: Ticket, receiver: oneshot::Receiver<Seat>) -> Self {
        Self { share, ticket: Some(ticket), receiver: Some(receiver) }
    }

    /// The seat, if its turn has come already.
    pub(super) fn now(mut self) -> Asked {
        match self.receiver.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Ok(seat)) => {
                self.ticket = None;
                Asked::Seated(seat)
            }
            _ => Asked::Waits(self),
        }
    }
}

impl Future for Waiting {
    type Output = Seat;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Seat> {
        let Some(receiver) = &mut self.receiver else { return Poll::Pending };
        let Poll::Ready(received) = Pin::new(receiver).poll(cx) else { return Poll::Pending };
        self.receiver = None;
        let Ok(seat) = received else {
            // The queue keeps what a request left until its turn comes or it leaves, so nobody hangs up.
            // If somebody did, the caller's deadline would end the wait.
            return Poll::Pending;
        };
        self.ticket = None;
        Poll::Ready(seat)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let seats = self.share.seats();
            let mut queue = seats.queue();
            queue.leave(seats.now_ns(), seats.limit(), ticket);
            seats.serve(queue);
        }
    }
}
