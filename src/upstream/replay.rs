//! A request's body as it has gone by, kept so that it can be sent once more: up to a bound for the request, and to
//! one for all requests of a worker. What is beyond either is simply not kept, and can't be repeated.
//!
//! It is copied, piece by piece, not held as it came: a piece of a few octets can keep a whole buffer of its client's
//! connection alive, and then the bound would bound nothing.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Octets of bodies that a worker keeps at a time.
const KEPT_MAX: usize = 64 << 20;
/// Octets that are said at once when a body is repeated.
const PIECE_MAX: usize = 16 << 10;
/// The least to make room for.
const ROOM_MIN: usize = 1 << 10;

/// How much of requests' bodies a worker keeps, over all of them.
#[derive(Debug, Clone)]
pub(super) struct Stock {
    held: Rc<Cell<usize>>,
    max: usize,
}

impl Default for Stock {
    fn default() -> Self {
        Self { held: Rc::default(), max: KEPT_MAX }
    }
}

impl Stock {
    /// Makes room for so many octets more, if there may be so many.
    fn take(&self, octets: usize) -> bool {
        let held = self.held.get().saturating_add(octets);
        let fits = held <= self.max;
        if fits {
            self.held.set(held);
        }
        fits
    }

    fn give_back(&self, octets: usize) {
        self.held.set(self.held.get().saturating_sub(octets));
    }

    /// Octets that are kept, or have room made for them.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.held.get()
    }
}

/// What is kept of one request's body, and how much of it is still to be said again.
#[derive(Debug)]
pub(super) struct Replay {
    stock: Stock,
    octets_max: usize,
    /// Octets of the stock that are this one's.
    taken: usize,
    /// What was there when the body was last begun again.
    sealed: Vec<Bytes>,
    /// What has come since.
    fresh: Vec<u8>,
    octets: usize,
    /// Set when all of it has come.
    ended: bool,
    trailers: Option<HeaderMap>,
    /// Where saying it again has got to; `None` when all that is kept has been said.
    saying: Option<Saying>,
}

#[derive(Debug, Default)]
struct Saying {
    next: usize,
    piece: Bytes,
}

/// There is no room to keep more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Replay {
    /// Keeps up to so many octets of a body, within what the worker may keep.
    pub(super) fn new(octets_max: usize, stock: &Stock) -> Self {
        Self {
            stock: stock.clone(),
            octets_max,
            taken: 0,
            sealed: Vec::new(),
            fresh: Vec::new(),
            octets: 0,
            ended: false,
            trailers: None,
            saying: None,
        }
    }

    /// Keeps what has come of the body; `None` is its end.
    ///
    /// # Errors
    /// When it is too much: this is of no use any more then.
    pub(super) fn note(&mut self, frame: Option<&Frame<Bytes>>) -> Result<(), TooMuch> {
        let Some(frame) = frame else {
            self.ended = true;
            return Ok(());
        };
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
            self.ended = true;
        }
        let Some(data) = frame.data_ref() else { return Ok(()) };
        self.octets = self.octets.saturating_add(data.len());
        if self.octets > self.octets_max {
            return Err(TooMuch);
        }
        self.make_room(data.len())?;
        self.fresh.extend_from_slice(data);
        Ok(())
    }

    /// Doubles, as a vector does, but never beyond what may be kept.
    fn make_room(&mut self, octets: usize) -> Result<(), TooMuch> {
        let (len, capacity) = (self.fresh.len(), self.fresh.capacity());
        let needed = len.saturating_add(octets);
        if needed <= capacity {
            return Ok(());
        }
        let wanted = needed.max(capacity.saturating_mul(2)).max(ROOM_MIN).min(self.octets_max.max(needed));
        if !self.stock.take(wanted - capacity) {
            return Err(TooMuch);
        }
        self.taken += wanted - capacity;
        self.fresh.reserve_exact(wanted - len);
        Ok(())
    }

    /// The body begins again with what is kept.
    pub(super) fn begin_again(&mut self) {
        if !self.fresh.is_empty() {
            let fresh = std::mem::take(&mut self.fresh);
            // Nothing more comes into it: the room that it has left is given back.
            let spare = fresh.capacity() - fresh.len();
            self.sealed.push(Bytes::from(fresh.into_boxed_slice()));
            self.taken = self.taken.saturating_sub(spare);
            self.stock.give_back(spare);
        }
        self.saying = Some(Saying::default());
    }

    /// Whether something that has been said is to be said again first: nobody else has it.
    pub(super) fn is_saying(&self) -> bool {
        self.saying.is_some()
    }

    /// What comes next of what is kept; `Some(None)` is the body's end. `None`: all of it has been said, and the client
    /// has the rest.
    #[allow(clippy::option_option, reason = "whether there is an answer, and the answer")]
    pub(super) fn say(&mut self) -> Option<Option<Frame<Bytes>>> {
        let saying = self.saying.as_mut()?;
        while saying.piece.is_empty() {
            let Some(piece) = self.sealed.get(saying.next) else {
                if self.ended {
                    return Some(self.trailers.clone().map(Frame::trailers));
                }
                self.saying = None;
                return None;
            };
            saying.piece = piece.clone();
            saying.next += 1;
        }
        let piece = saying.piece.split_to(PIECE_MAX.min(saying.piece.len()));
        Some(Some(Frame::data(piece)))
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.stock.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn data(octets: &[u8]) -> Frame<Bytes> {
        Frame::data(Bytes::copy_from_slice(octets))
    }

    /// All that is said again, and whether its end is.
    fn said(replay: &mut Replay) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            match replay.say() {
                None => return (all, false),
                Some(None) => return (all, true),
                Some(Some(frame)) => all.extend_from_slice(frame.data_ref().unwrap()),
            }
        }
    }

    #[test]
    fn trailers_are_said_again_too() {
        let mut replay = Replay::new(10, &Stock::default());
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]);
        replay.note(Some(&data(b"abc"))).unwrap();
        replay.note(Some(&Frame::trailers(trailers.clone()))).unwrap();
        for _ in 0..2 {
            replay.begin_again();
            assert_eq!(&replay.say().flatten().unwrap().into_data().unwrap()[..], b"abc");
            assert_eq!(replay.say().flatten().unwrap().into_trailers().unwrap(), trailers);
        }
    }

    #[test]
    fn what_is_too_much_for_one_request_or_for_all_is_not_kept() {
        let stock = Stock { max: 3000, ..Stock::default() };
        let mut one = Replay::new(2000, &stock);
        one.note(Some(&data(&[0; 2000]))).unwrap();
        assert_eq!((one.note(Some(&data(&[0]))), stock.held()), (Err(TooMuch), 2000));
        let mut other = Replay::new(2000, &stock);
        assert_eq!(other.note(Some(&data(&[0; 1001]))), Err(TooMuch));
        drop(one);
        other = Replay::new(2000, &stock);
        assert_eq!(other.note(Some(&data(&[0; 1001]))), Ok(()));
        drop(other);
        assert_eq!(stock.held(), 0);
    }

    proptest! {
        /// Against a list of all that came; begun again now and then, in the middle too.
        #[test]
        fn what_came_is_said_again(steps in vec((any::<bool>(), any::<u8>(), 0..40_000_usize), 0..12), ends in any::<bool>()) {
            let stock = Stock::default();
            let mut replay = Replay::new(100_000, &stock);
            let mut came = Vec::new();
            let mut kept = true;
            for (again, octet, count) in steps {
                let octets = vec![octet; count];
                if again {
                    replay.begin_again();
                    // Broken off after a piece, it is begun once more.
                    let _ = replay.say();
                    replay.begin_again();
                    prop_assert_eq!(said(&mut replay), (came.clone(), false));
                }
                came.extend_from_slice(&octets);
                kept = replay.note(Some(&data(&octets))).is_ok();
                prop_assert_eq!(kept, came.len() <= 100_000);
                prop_assert!(!kept || stock.held() >= came.len() && stock.held() <= 2 * came.len() + ROOM_MIN);
                if !kept {
                    break;
                }
            }
            if kept {
                if ends {
                    replay.note(None).unwrap();
                }
                replay.begin_again();
                prop_assert_eq!(said(&mut replay), (came, ends));
            }
            drop(replay);
            prop_assert_eq!(stock.held(), 0);
        }
    }
}
