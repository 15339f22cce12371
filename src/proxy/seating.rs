//! A request's seat in its pool: asked for, waited for, held until the endpoint has said its last byte, and given up
//! earlier by what turns out to be a long-lived stream.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tokio::time::{Instant, timeout_at};

use super::rejection::Rejection;
use crate::admission::fair_share::{Asked, QueueFull, Seat, Share, StreamSeat, StreamsFull, Waiting};
use crate::tenant::Tenant;
use crate::upstream::Pool;

/// What an exchange holds of its pool.
#[derive(Debug)]
pub(super) enum Seated {
    /// A seat.
    Seat(Seat),
    /// A seat, and one for the stream that it may become: it asks to switch protocols.
    Both(Seat, StreamSeat),
    /// A stream's seat.
    Stream(#[allow(dead_code, reason = "held, not read")] StreamSeat),
    /// A seat that it gives up for a stream's seat when it has become old.
    Ageing(#[allow(dead_code, reason = "held, not read")] Rc<Ageing>),
}

/// An event stream: whether it is long-lived only its age tells.
#[derive(Debug)]
pub(super) struct Ageing {
    old_at: Instant,
    seated: RefCell<Option<Seated>>,
}

/// A worker's event streams that are not old yet.
#[derive(Debug, Default)]
pub(super) struct Nursery(RefCell<Vec<Weak<Ageing>>>);

/// Event streams that are not old yet may be so many a worker; the rest keep the seats that they have.
const AGEING_MAX: usize = 100_000;

/// Asks for a seat and waits for it: for as long as the tenant has patience, or the request has time.
/// Dropped, it leaves the queue at once. How long it waited, if it had to.
///
/// # Errors
/// [`Rejection::ConcurrencyExceeded`] where the tenant's own bounds are in the way, [`Rejection::NoCapacity`] where
/// the pool is full.
pub(super) async fn seat(
    tenant: &Tenant,
    pool: &Pool,
    switches: bool,
    expires: Option<Instant>,
    wait: &mut Option<Duration>,
) -> Result<Seated, Rejection> {
    let share = tenant.account.share(pool.seats());
    let stream = if switches { Some(stream(&share)?) } else { None };
    let seat = match share.ask(tenant.terms.seats).map_err(|QueueFull| Rejection::ConcurrencyExceeded)? {
        Asked::Seated(seat) => seat,
        Asked::Waits(waiting) => {
            let watch = Stopwatch { since: Instant::now(), wait };
            let until = watch.since + tenant.terms.seat_wait_max;
            let until = expires.map_or(until, |expires| expires.min(until));
            // Boxed: most requests need not wait, and carry no room for it.
            Box::pin(wait_for(waiting, until, tenant, &share)).await?
        }
    };
    Ok(match stream {
        Some(stream) => Seated::Both(seat, stream),
        None => Seated::Seat(seat),
    })
}

/// Takes down how long a wait was, also that of a client which went away.
struct Stopwatch<'w> {
    since: Instant,
    wait: &'w mut Option<Duration>,
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        *self.wait = Some(self.since.elapsed());
    }
}

async fn wait_for(
    waiting: Waiting,
    until: Instant,
    tenant: &Tenant,
    share: &Arc<Share>,
) -> Result<Seat, Rejection> {
    timeout_at(until, waiting).await.map_err(|_| match share.is_at_max(tenant.terms.seats) {
        true => Rejection::ConcurrencyExceeded,
        false => Rejection::NoCapacity,
    })
}

impl Seated {
    /// The endpoint has switched protocols: what follows is a stream.
    pub(super) fn switched(self) -> Self {
        match self {
            Self::Both(_, stream) => Self::Stream(stream),
            other => other,
        }
    }

    /// The endpoint has answered: no stream after all, or one that will be when it is old.
    ///
    /// # Errors
    /// It is an event stream, and there are as many streams as may be: it would keep its seat for ever.
    pub(super) fn answered(
        self,
        pool: &Pool,
        fields: &HeaderMap,
        nursery: &Nursery,
    ) -> Result<Self, Rejection> {
        let seat = match self {
            Self::Both(seat, _) | Self::Seat(seat) => seat,
            other => return Ok(other),
        };
        let young = match kind(fields) {
            Kind::Whole => return Ok(Self::Seat(seat)),
            Kind::Events => {
                let stream = stream(seat.share())?;
                Self::Both(seat, stream)
            }
            Kind::Calls => Self::Seat(seat),
        };
        Ok(nursery.take(young, pool.seats().stream_after()))
    }
}

/// A stream's seat.
fn stream(share: &Arc<Share>) -> Result<StreamSeat, Rejection> {
    StreamSeat::take(share).map_err(|full| match full {
        StreamsFull::Tenant => Rejection::ConcurrencyExceeded,
        StreamsFull::Pool => Rejection::NoCapacity,
    })
}

impl Ageing {
    /// Gives up the seat for a stream's; a call, which could not be refused for it, also where there is none.
    fn grow_old(&self) {
        let mut seated = self.seated.borrow_mut();
        *seated = seated.take().map(|seated| match seated {
            Seated::Seat(seat) => Seated::Stream(StreamSeat::exceed(seat.share())),
            other => other.switched(),
        });
    }
}

impl Nursery {
    fn take(&self, seat: Seated, after: Duration) -> Seated {
        let mut streams = self.0.borrow_mut();
        let Some(old_at) = Instant::now().checked_add(after).filter(|_| streams.len() < AGEING_MAX) else {
            return seat;
        };
        let ageing = Rc::new(Ageing { old_at, seated: RefCell::new(Some(seat)) });
        streams.push(Rc::downgrade(&ageing));
        Seated::Ageing(ageing)
    }

    /// Lets go of the streams that have ended, and moves those that have become old to seats of their own.
    pub(super) fn look(&self, now: Instant) {
        self.0.borrow_mut().retain(|stream| {
            let Some(stream) = stream.upgrade() else { return false };
            if stream.old_at <= now {
                stream.grow_old();
            }
            !matches!(&*stream.seated.borrow(), Some(Seated::Stream(_)))
        });
    }
}

/// Whether a response is one that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It ends when all of it has been said.
    Whole,
    /// Server-sent events, or parts that replace each other: it lasts.
    Events,
    /// gRPC: of its calls only the age tells which are streams.
    Calls,
}

fn kind(fields: &HeaderMap) -> Kind {
    let Some(kind) = fields.get(CONTENT_TYPE).map(|kind| kind.as_bytes()) else { return Kind::Whole };
    let is = |known: &[u8]| kind.get(..known.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(known));
    if is(b"text/event-stream") || is(b"multipart/x-mixed-replace") {
        Kind::Events
    } else if is(b"application/grpc") {
        Kind::Calls
    } else {
        Kind::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn streams_are_told_by_their_type() {
        let of = |name: &'static str| {
            kind(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(name))]))
        };
        assert_eq!(of("text/event-stream"), Kind::Events);
        assert_eq!(of("Text/Event-Stream; charset=utf-8"), Kind::Events);
        assert_eq!(of("application/grpc+proto"), Kind::Calls);
        assert_eq!(
            (of("text/html"), of("text/event"), kind(&HeaderMap::new())),
            (Kind::Whole, Kind::Whole, Kind::Whole)
        );
    }
}
