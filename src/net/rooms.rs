//! Buffers for what endpoints say, shared by a worker's connections.
//!
//! A buffer that has just been read from is in the processor's cache, and whoever reads next had better read into that: with a buffer of
//! its own for each of some hundred connections, every octet would come from memory, twice. So a connection keeps one only while there is
//! something in it, and the last one that was left is the first that is taken.

use std::cell::RefCell;

use bytes::BytesMut;

/// Octets of a buffer for heads, and for what comes with them.
pub(crate) const SMALL: usize = 8 * 1024;
/// And of one for long bodies.
pub(crate) const LARGE: usize = 32 * 1024;
/// Buffers of a kind that are kept.
const KEPT_MAX: usize = 16;

/// Buffers that nobody reads into at present. What was read from one may still be on its way to a client: then it is not used again.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    small: RefCell<Vec<BytesMut>>,
    large: RefCell<Vec<BytesMut>>,
}

/// How large a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    /// Of a buffer for so many octets that are known to come.
    pub(crate) fn of(expected: u64) -> Self {
        if expected > SMALL as u64 { Self::Large } else { Self::Small }
    }

    pub(crate) fn octets(self) -> usize {
        match self {
            Self::Small => SMALL,
            Self::Large => LARGE,
        }
    }
}

impl Rooms {
    fn of(&self, size: Size) -> &RefCell<Vec<BytesMut>> {
        match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        }
    }

    /// An empty buffer.
    pub(crate) fn take(&self, size: Size) -> BytesMut {
        let mut kept = self.of(size).borrow_mut();
        while let Some(mut room) = kept.pop() {
            if room.try_reclaim(size.octets()) {
                return room;
            }
        }
        BytesMut::with_capacity(size.octets())
    }

    /// Takes back one in which nothing is left.
    pub(crate) fn leave(&self, room: BytesMut, size: Size) {
        let mut kept = self.of(size).borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(room);
        }
    }

    /// Lets go of all of them: memory is for those who use it.
    pub(crate) fn clear(&self) {
        self.small.borrow_mut().clear();
        self.large.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_that_was_left_is_taken_unless_something_of_it_is_on_its_way() {
        let rooms = Rooms::default();
        let read = |size| {
            let mut room = rooms.take(size);
            assert!(room.is_empty() && room.capacity() >= size.octets());
            room.extend_from_slice(b"read");
            let at = room.as_ptr();
            let piece = room.split().freeze();
            rooms.leave(room, size);
            (at, piece)
        };
        let (first, piece) = read(Size::Small);
        let (second, other) = read(Size::Small);
        assert_ne!(first, second, "the first one's is on its way");
        drop(other);
        assert_eq!(read(Size::Small).0, second);
        assert_ne!(read(Size::Large).0, second);
        assert_eq!(&*piece, b"read");
    }

    #[test]
    fn few_are_kept() {
        let rooms = Rooms::default();
        let taken: Vec<_> = (0..3 * KEPT_MAX).map(|_| rooms.take(Size::Large)).collect();
        taken.into_iter().for_each(|room| rooms.leave(room, Size::Large));
        assert_eq!(rooms.large.borrow().len(), KEPT_MAX);
        rooms.clear();
        assert!(rooms.large.borrow().is_empty());
    }
}
