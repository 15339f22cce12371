//! What a connection's streams keep in memory beyond what windows and counts of streams bound.
//!
//! **Pieces of bodies** that nobody has taken yet: h2 cuts them from the buffer that it reads into, and a piece of one octet keeps all
//! of that. So each is charged with what came since the one before. **Heads** of requests that are not answered: HPACK makes many
//! octets of few.

use std::cell::{Cell, RefCell};

use hashbrown::HashMap;

use super::frames::{Frame, kind};

/// Pieces of more octets are worth what they keep.
const PIECE_SMALL: u32 = 4 * 1024;
/// What one keeps, at the most: a frame's worth of what h2 reads at a time.
const PIECE_KEEPS_MAX: usize = 16 * 1024;
/// What a connection's pieces may keep.
const PIECES_MAX: usize = 16 * 1024 * 1024;
/// Octets of heads that may be under way on a connection: what 250 requests with 8 KiB of cookies have.
const HEADS_MAX: usize = 2 * 1024 * 1024;
/// What a field costs beside its name and value (RFC 9113 §6.5.2).
const FIELD: usize = 32;

/// What the streams of a connection keep.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By stream, of those whose body is being read.
    pieces: RefCell<HashMap<u32, Pieces>>,
    pieces_keep: Cell<usize>,
    /// Octets since the last piece.
    since: Cell<usize>,
    heads: Cell<usize>,
}

#[derive(Debug, Default)]
struct Pieces {
    count: usize,
    keep: usize,
}

impl Held {
    /// A stream's body is read from now on.
    pub(super) fn begin_body(&self, stream: u32) {
        self.pieces.borrow_mut().insert(stream, Pieces::default());
    }

    /// It is not read any more.
    pub(super) fn end_body(&self, stream: u32) {
        if let Some(pieces) = self.pieces.borrow_mut().remove(&stream) {
            self.pieces_keep.set(self.pieces_keep.get().saturating_sub(pieces.keep));
        }
    }

    /// A frame came; whether too much is kept.
    pub(super) fn came(&self, frame: &Frame) -> bool {
        let since = self.since.get().saturating_add(frame.length as usize);
        if frame.kind != kind::DATA || frame.octets() == 0 {
            self.since.set(since);
            return false;
        }
        self.since.set(0);
        if frame.octets() < PIECE_SMALL
            && let Some(pieces) = self.pieces.borrow_mut().get_mut(&frame.stream)
        {
            let keeps = since.min(PIECE_KEEPS_MAX);
            pieces.count += 1;
            pieces.keep += keeps;
            self.pieces_keep.set(self.pieces_keep.get() + keeps);
        }
        self.pieces_keep.get() > PIECES_MAX
    }

    /// A piece of so many octets was taken.
    pub(super) fn taken(&self, stream: u32, octets: usize) {
        if octets >= PIECE_SMALL as usize {
            return;
        }
        // Which of them it was makes no difference: they are taken in order.
        if let Some(pieces) = self.pieces.borrow_mut().get_mut(&stream)
            && let Some(each) = pieces.keep.checked_div(pieces.count)
        {
            pieces.count -= 1;
            let keeps = if pieces.count == 0 { pieces.keep } else { each };
            pieces.keep -= keeps;
            self.pieces_keep.set(self.pieces_keep.get().saturating_sub(keeps));
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

    fn data(stream: u32, length: u32) -> Frame {
        Frame { length, kind: kind::DATA, flags: 0, stream, start: [0; 8] }
    }

    #[test]
    fn small_pieces_in_a_row_keep_little_and_those_between_others_much() {
        let held = Held::default();
        held.begin_body(1);
        held.begin_body(3);
        for _ in 0..30_000 {
            assert!(!held.came(&data(1, 3)));
        }
        assert_eq!(held.pieces_keep.get(), 90_000);
        (0..30_000).for_each(|_| held.taken(1, 3));
        assert_eq!(held.pieces_keep.get(), 0);
        // One stream's are read, the other's are not.
        let mut pieces = 0;
        let filler = |held: &Held| held.came(&Frame { kind: kind::HEADERS, ..data(5, 20_000) });
        while !held.came(&data(1, 1)) {
            assert!(!filler(&held));
            pieces += 1;
        }
        assert_eq!(pieces, PIECES_MAX / PIECE_KEEPS_MAX);
        held.end_body(1);
        assert_eq!(held.pieces_keep.get(), 0);
        assert!(!held.came(&data(1, 1)), "nobody reads it");
        assert_eq!(held.pieces_keep.get(), 0);
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
