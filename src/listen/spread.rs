//! Connections handed over to another worker, once, when they are accepted.
//!
//! The kernel spreads connections over the workers' sockets by a hash of their addresses, or gives them to whoever is the first at a
//! shared one: of eight, one worker of two may get seven. So whoever has accepted a connection looks how many each worker has
//! (`loads`), and hands it over before anything is read of it, by a queue that the other is woken by. As Envoy's exact balance and HAProxy's
//! queues of accepted connections do.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::loads::{Loads, Placed};
use super::stream::{ClientStream, Detached};
use crate::types::Peer;

/// How many may be on their way to a worker. Who does not come to them for so long is not given more.
const QUEUE: usize = 16;

/// One worker's part in a listener's connections. `T` is what goes with a connection.
#[derive(Debug)]
pub struct Spread<T> {
    own: usize,
    loads: Arc<Loads>,
    doors: Arc<[Sender<Handed<T>>]>,
    inbox: Receiver<Handed<T>>,
}

/// A connection on its way from the worker that has accepted it.
#[derive(Debug)]
struct Handed<T> {
    stream: Detached,
    arrival: Arrival<T>,
}

/// What is known of a connection that was accepted.
#[derive(Debug)]
pub struct Arrival<T> {
    /// Who is at its other end.
    pub peer: Peer,
    /// What goes with it.
    pub with: T,
    /// The worker's count has it until this is dropped.
    pub placed: Placed,
}

impl<T> Spread<T> {
    /// The parts of so many workers.
    #[must_use]
    pub fn over(workers: usize) -> (Vec<Self>, Arc<Loads>) {
        let loads = Arc::new(Loads::new(workers));
        let (doors, inboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| channel(QUEUE)).unzip();
        let doors: Arc<[_]> = doors.into();
        let part = |(own, inbox)| Self { own, loads: Arc::clone(&loads), doors: Arc::clone(&doors), inbox };
        (inboxes.into_iter().enumerate().map(part).collect(), loads)
    }

    /// Hands a connection that was accepted here over to the worker that is to have it; gives it back if that is this one, or if the other
    /// can't have it.
    pub(super) fn place(
        &self,
        stream: ClientStream,
        peer: Peer,
        with: T,
    ) -> Option<(ClientStream, Arrival<T>)> {
        let placed = self.loads.place(self.own);
        let other = placed.worker();
        let Some(door) = self.doors.get(other).filter(|_| other != self.own) else {
            return Some((stream, Arrival { peer, with, placed }));
        };
        match door.try_reserve() {
            Ok(door) => {
                // Without a runtime to watch it there is nothing left of it: as if the client had gone.
                if let Ok(stream) = stream.detach() {
                    door.send(Handed { stream, arrival: Arrival { peer, with, placed } });
                }
                None
            }
            Err(failure) => {
                if matches!(failure, TrySendError::Closed(())) {
                    // Of a worker that is at its end by itself, nobody else says so.
                    self.loads.close(other);
                }
                Some((stream, self.keep(peer, with)))
            }
        }
    }

    /// Counts a connection that was accepted here as this worker's, whatever others have.
    pub(super) fn keep(&self, peer: Peer, with: T) -> Arrival<T> {
        Arrival { peer, with, placed: self.loads.keep(self.own) }
    }

    /// The next connection that another has handed over; `None` when it was [closed](Self::close) and none is left.
    pub(super) fn poll_handed(&mut self, cx: &mut Context<'_>) -> Poll<Option<(ClientStream, Arrival<T>)>> {
        loop {
            let Poll::Ready(handed) = self.inbox.poll_recv(cx) else { return Poll::Pending };
            let Some(Handed { stream, arrival }) = handed else { return Poll::Ready(None) };
            if let Ok(stream) = stream.attach() {
                return Poll::Ready(Some((stream, arrival)));
            }
        }
    }

    /// Is handed no more. What is on its way comes still.
    pub(super) fn close(&mut self) {
        self.loads.close(self.own);
        self.inbox.close();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    /// A connection, the client's end and the gateway's.
    fn pair() -> (UnixStream, ClientStream) {
        let (client, served) = UnixStream::pair().unwrap();
        (client, served.into())
    }

    async fn handed<T>(spread: &mut Spread<T>) -> Option<(ClientStream, Arrival<T>)> {
        poll_fn(|cx| spread.poll_handed(cx)).await
    }

    #[tokio::test]
    async fn a_connection_is_handed_over_with_all_that_came_over_it() {
        let (mut parts, loads) = Spread::over(2);
        let (mut other, own) = (parts.pop().unwrap(), parts.pop().unwrap());
        let (_kept, served) = pair();
        let (_first, _arrival) = own.place(served, Peer::Unix, 1).unwrap();
        let (mut client, served) = pair();
        client.write_all(b"early").await.unwrap();
        assert!(own.place(served, Peer::Unix, 2).is_none(), "the other has fewer");
        assert_eq!((loads.open(0), loads.open(1)), (1, 1), "it counts while it is on its way");
        // It is the other's, in whatever runtime that has.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut stream, arrival) = handed(&mut other).await.unwrap();
                let mut early = [0; 5];
                stream.read_exact(&mut early).await.unwrap();
                stream.write_all(&early).await.unwrap();
                arrival.with
            })
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!((answer.as_slice(), thread.join().unwrap()), (&b"early"[..], 2));
        assert_eq!(loads.open(1), 0);
    }

    #[tokio::test]
    async fn whoever_does_not_come_to_them_is_given_no_more_than_a_queue_full() {
        let (mut parts, loads) = Spread::over(2);
        let (mut busy, own) = (parts.pop().unwrap(), parts.pop().unwrap());
        let mut kept = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..4 * QUEUE {
            let (client, served) = pair();
            clients.push(client);
            kept.extend(own.place(served, Peer::Unix, ()));
        }
        assert_eq!((loads.open(0), loads.open(1)), (3 * QUEUE, QUEUE));
        assert_eq!(kept.len(), 3 * QUEUE);
        // Once it comes to them, it is given others.
        let taken: Vec<_> = [handed(&mut busy).await, handed(&mut busy).await].into();
        assert!(own.place(pair().1, Peer::Unix, ()).is_none());
        drop(taken);
    }

    #[tokio::test]
    async fn nothing_is_handed_to_who_ends_and_what_is_on_its_way_arrives() {
        let (mut parts, loads) = Spread::over(2);
        let (mut ending, own) = (parts.pop().unwrap(), parts.pop().unwrap());
        let (_kept, served) = pair();
        let _first = own.place(served, Peer::Unix, 1).unwrap();
        assert!(own.place(pair().1, Peer::Unix, 2).is_none());
        ending.close();
        assert!(own.place(pair().1, Peer::Unix, 3).is_some(), "it has as many, but takes no more");
        assert!(own.place(pair().1, Peer::Unix, 4).is_some());
        assert_eq!(handed(&mut ending).await.map(|(_, arrival)| arrival.with), Some(2));
        assert!(handed(&mut ending).await.is_none());
        assert_eq!(loads.open(1), 0);

        // And one whose thread has ended without a word.
        let (mut parts, loads) = Spread::over(3);
        let own = parts.remove(0);
        let placed: Vec<_> = (0..2).map(|_| own.place(pair().1, Peer::Unix, ())).collect();
        drop(parts);
        assert_eq!(loads.open(1), 0, "what was on its way has ended");
        let more: Vec<_> = (0..4).map(|_| own.place(pair().1, Peer::Unix, ())).collect();
        assert!(more.iter().all(Option::is_some));
        assert_eq!((loads.open(0), loads.open(1), loads.open(2)), (5, 0, 0));
        drop((placed, more));
    }
}
