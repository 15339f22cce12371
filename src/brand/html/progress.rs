//! How far a page is: what was put into it of late, and where in it tokens may begin.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;

/// Octets that are put into a page for each piece of it that is looked at; what would be more than that is left as it is.
const GROWTH_MAX: usize = 48 * 1024;
/// Places that are kept: where there are more, all of the page is looked at.
const PLACES_MAX: usize = 512;

/// Shared by a page's rewriter and what changes its parts.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Octets that were put in since the piece began.
    grown: Cell<usize>,
    /// Octets of the page so far.
    at: Cell<usize>,
    /// Whether the last of them was a brace.
    half: Cell<bool>,
    /// Where `{{` stands.
    places: RefCell<VecDeque<usize>>,
    has_many: Cell<bool>,
}

impl Progress {
    /// The next piece of the page, before it is looked at.
    pub(super) fn goes_on(&self, piece: &[u8]) {
        self.grown.set(0);
        let at = self.at.get();
        if self.half.get() && piece.first() == Some(&b'{') {
            self.note(at.saturating_sub(1));
        }
        memchr::memmem::find_iter(piece, b"{{").for_each(|found| self.note(at + found));
        if let Some(last) = piece.last() {
            self.half.set(*last == b'{');
        }
        self.at.set(at + piece.len());
    }

    fn note(&self, place: usize) {
        let mut places = self.places.borrow_mut();
        if places.len() < PLACES_MAX {
            places.push_back(place);
        } else {
            self.has_many.set(true);
            places.clear();
        }
    }

    /// Whether a token may begin in this part of the page. Parts are asked for in order.
    pub(super) fn has_braces(&self, part: Range<usize>) -> bool {
        if self.has_many.get() {
            return true;
        }
        let mut places = self.places.borrow_mut();
        while places.front().is_some_and(|place| *place < part.start) {
            places.pop_front();
        }
        // The second brace may be the next that comes.
        let may_begin = self.half.get() && part.end >= self.at.get();
        may_begin || places.front().is_some_and(|place| *place < part.end)
    }

    /// Whether so many octets more may be put in.
    pub(super) fn allows(&self, octets: usize) -> bool {
        let grown = self.grown.get().saturating_add(octets);
        let allowed = grown <= GROWTH_MAX;
        if allowed {
            self.grown.set(grown);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_found_across_pieces() {
        let progress = Progress::default();
        for piece in ["ab{", "{c", "d{{", "", "."] {
            progress.goes_on(piece.as_bytes());
        }
        assert!(!progress.has_braces(0..2));
        assert!(progress.has_braces(1..3));
        assert!(!progress.has_braces(3..6) && progress.has_braces(3..7) && !progress.has_braces(7..8));
        progress.goes_on(b"{");
        assert!(progress.has_braces(9..10), "one more may come");
    }

    #[test]
    fn a_page_full_of_braces_is_looked_at_everywhere() {
        let progress = Progress::default();
        progress.goes_on("{{ ".repeat(10_000).as_bytes());
        assert!(progress.has_braces(40_000..40_001) && progress.places.borrow().len() <= PLACES_MAX);
    }
}
