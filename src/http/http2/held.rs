//! What a connection's streams keep in memory beyond what windows and counts of streams bound.
//!
//! **Pieces of bodies** that nobody has taken yet: h2 cuts them from the buffer that it reads into, and a piece of one octet keeps all
//! of that. So it is counted which stretches of what came have a piece that waits. **Heads** of requests that are not answered: HPACK
//! makes many octets of few.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use hashbrown::HashMap;

use super::frames::{Frame, kind};

/// Octets of a stretch: about what h2 reads at a time.
const STRETCH: u64 = 16 * 1024;
/// Stretches that may have a piece that waits: 16 MiB.
const STRETCHES_MAX: usize = 1024;
/// Octets of a frame's head.
const FRAME_HEAD: u64 = 9;
/// Octets of heads that may be under way on a connection: what 250 requests with 8 KiB of cookies have.
const HEADS_MAX: usize = 2 * 1024 * 1024;
/// What a field costs beside its name and value (RFC 9113 §6.5.2).
const FIELD: usize = 32;

/// What the streams of a connection keep.
#[derive(Debug, Default)]
pub(super) struct Held {
    bodies: RefCell<Bodies>,
    heads: Cell<usize>,
}

#[derive(Debug, Default)]
struct Bodies {
    /// Octets that came.
    came: u64,
    /// By stream, of those whose body is not all read: where the pieces are that wait, in order, and how many in a row.
    waiting: HashMap<u32, VecDeque<(u64, u32)>>,
    /// How many streams have pieces there.
    stretches: HashMap<u64, u32>,
}

impl Bodies {
    fn begin(&mut self, stream: u32) {
        self.waiting.insert(stream, VecDeque::new());
    }

    fn add(&mut self, stream: u32) {
        let at = self.came / STRETCH;
        let Some(pieces) = self.waiting.get_mut(&stream) else { return };
        match pieces.back_mut() {
            Some((last, count)) if *last == at => *count += 1,
            _ => {
                pieces.push_back((at, 1));
                *self.stretches.entry(at).or_default() += 1;
            }
        }
    }

    fn take(&mut self, stream: u32) {
        let Some(pieces) = self.waiting.get_mut(&stream) else { return };
        let Some((at, count)) = pieces.front_mut() else { return };
        *count -= 1;
        if *count == 0 {
            let at = *at;
            pieces.pop_front();
            self.leave(at);
        }
    }

    fn end(&mut self, stream: u32) {
        for (at, _) in self.waiting.remove(&stream).into_iter().flatten() {
            self.leave(at);
        }
    }

    fn leave(&mut self, stretch: u64) {
        if let Some(streams) = self.stretches.get_mut(&stretch) {
            *streams -= 1;
            if *streams == 0 {
                self.stretches.remove(&stretch);
            }
        }
    }
}

impl Held {
    /// A frame came; whether too much is kept. `is_new`: its stream is.
    pub(super) fn came(&self, frame: &Frame, is_new: bool) -> bool {
        let mut bodies = self.bodies.borrow_mut();
        bodies.came += FRAME_HEAD + u64::from(frame.length);
        match frame.kind {
            kind::HEADERS if is_new && !frame.ends_stream() => bodies.begin(frame.stream),
            // h2 passes on no empty ones but the last.
            kind::DATA if frame.octets() > 0 => bodies.add(frame.stream),
            kind::RST_STREAM => bodies.end(frame.stream),
            _ => {}
        }
        bodies.stretches.len() > STRETCHES_MAX
    }

    /// A piece of so many octets was taken.
    pub(super) fn taken(&self, stream: u32, octets: usize) {
        if octets > 0 {
            self.bodies.borrow_mut().take(stream);
        }
    }

    /// A stream's body is not read any more.
    pub(super) fn end_body(&self, stream: u32) {
        let mut bodies = self.bodies.borrow_mut();
        // Most requests have none: nothing is looked up for them.
        if !bodies.waiting.is_empty() {
            bodies.end(stream);
        }
    }

    /// Holds a request's head until that is dropped; `None`: there are too many.
    pub(super) fn head(&self, head: &http::request::Parts) -> Option<Head<'_>> {
        let fields = head.headers.iter().map(|(name, value)| FIELD + name.as_str().len() + value.len());
        let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let octets = fields.sum::<usize>() + target;
        let all = self.heads.get() + octets;
        // One is always let in: how long it may be is bounded elsewhere.
        if all > HEADS_MAX && self.heads.get() > 0 {
            return None;
        }
        self.heads.set(all);
        Some(Head { held: self, octets })
    }
}

/// A head that is under way.
#[derive(Debug)]
pub(super) struct Head<'h> {
    held: &'h Held,
    octets: usize,
}

impl Drop for Head<'_> {
    fn drop(&mut self) {
        self.held.heads.set(self.held.heads.get().saturating_sub(self.octets));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn frame(kind: u8, stream: u32, length: u32) -> Frame {
        Frame { length, kind, flags: 0, stream, start: [0; 8] }
    }

    fn begun(streams: &[u32]) -> Held {
        let held = Held::default();
        streams.iter().for_each(|stream| assert!(!held.came(&frame(kind::HEADERS, *stream, 50), true)));
        held
    }

    fn stretches(held: &Held) -> usize {
        held.bodies.borrow().stretches.len()
    }

    #[test]
    fn small_pieces_in_a_row_keep_little() {
        let held = begun(&[1]);
        for _ in 0..30_000 {
            assert!(!held.came(&frame(kind::DATA, 1, 3), false));
        }
        assert!(stretches(&held) <= 12 * 30_000 / 16_384 + 1);
        (0..30_000).for_each(|_| held.taken(1, 3));
        assert_eq!(stretches(&held), 0);
    }

    #[test]
    fn pieces_between_others_that_are_taken_keep_much() {
        for filler in [16_000, 4_000] {
            let held = begun(&[1, 3]);
            let mut pieces = 0;
            let is_too_much = loop {
                let too_much = held.came(&frame(kind::DATA, 1, 1), false);
                pieces += 1;
                if too_much || pieces > 10_000 {
                    break too_much;
                }
                for _ in 0..16_400 / filler {
                    held.came(&frame(kind::DATA, 3, filler), false);
                    held.taken(3, filler as usize);
                }
            };
            assert!(is_too_much && (1024..1100).contains(&pieces), "{pieces}");
            held.end_body(1);
            assert_eq!(stretches(&held), 0);
            held.came(&frame(kind::DATA, 1, 1), false);
            assert_eq!(stretches(&held), 0, "nobody reads it");
        }
    }

    #[test]
    fn a_stream_that_is_reset_keeps_nothing() {
        let held = begun(&[1]);
        held.came(&frame(kind::DATA, 1, 1), false);
        assert_eq!(stretches(&held), 1);
        held.came(&frame(kind::RST_STREAM, 1, 4), false);
        assert_eq!(stretches(&held), 0);
        assert!(held.bodies.borrow().waiting.is_empty());
    }

    #[test]
    fn heads_are_let_in_as_long_as_there_is_room() {
        let held = Held::default();
        let of = |octets: usize| {
            Request::builder().header("x", "v".repeat(octets)).body(()).unwrap().into_parts().0
        };
        let (small, large) = (of(1000), of(HEADS_MAX));
        let alone = held.head(&large).unwrap();
        assert!(held.head(&small).is_none());
        drop(alone);
        let first = held.head(&small).unwrap();
        assert!(held.head(&large).is_none());
        assert!(held.head(&small).is_some());
        drop(first);
        assert_eq!(held.heads.get(), 0);
    }
}
