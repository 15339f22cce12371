//! What a worker's HTTP/1.1 connections lend each other.
//!
//! A connection holds next to nothing while it waits for a request, and most wait most of the time. What one has just used is in the
//! processor's cache, and the next to need such a thing had better use that.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::http::wire::Head;
use crate::net::Pipes;
use crate::net::rooms::Rooms;
use crate::types::FieldNames;

/// Things of a kind that are kept.
const KEPT_MAX: usize = 64;
/// A buffer that has grown beyond this is not kept.
const TEXT_KEPT_MAX: usize = 16 * 1024;
/// Nor is a map for more fields than that.
const FIELDS_KEPT_MAX: usize = 64;
/// Fields that most answers have no more of.
const ANSWER_FIELDS: usize = 16;
/// Octets of a block that heads are copied into, and of a head that is: with it, a request keeps its block.
const BLOCK: usize = 8 * 1024;
const COPIED_MAX: usize = 2 * 1024;

/// Buffers and maps that nobody uses at present.
#[derive(Debug, Default)]
pub(in crate::http) struct Kit {
    /// To read into.
    pub(super) rooms: Rooms,
    /// Of requests' fields.
    pub(super) names: FieldNames,
    block: RefCell<BytesMut>,
    readers: RefCell<Vec<Head>>,
    fields: RefCell<Vec<HeaderMap>>,
    texts: RefCell<Vec<Vec<u8>>>,
    /// For answers to pass through.
    pub(super) pipes: Pipes,
}

fn keep<T>(kept: &RefCell<Vec<T>>, one: T) {
    let mut kept = kept.borrow_mut();
    if kept.len() < KEPT_MAX {
        kept.push(one);
    }
}

impl Kit {
    /// Takes a head of so many octets off the front of what was read. A usual one is copied: as a part of what it was read into it would
    /// keep all of that, for as long as its request lasts.
    pub(super) fn head_of(&self, read: &mut BytesMut, octets: usize) -> Bytes {
        if octets > COPIED_MAX {
            return read.split_to(octets).freeze();
        }
        let head = read.get(..octets).unwrap_or_default();
        let mut block = self.block.borrow_mut();
        if block.capacity() - block.len() < octets && !block.try_reclaim(octets) {
            *block = BytesMut::with_capacity(BLOCK);
        }
        block.extend_from_slice(head);
        bytes::Buf::advance(read, octets);
        block.split().freeze()
    }

    /// What reads a head.
    pub(super) fn reader(&self) -> Head {
        self.readers.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn leave_reader(&self, mut reader: Head) {
        reader.clear();
        if reader.room() <= FIELDS_KEPT_MAX {
            keep(&self.readers, reader);
        }
    }

    /// An empty map, with room for so many fields, and for an answer's: that stands in its request's map.
    pub(super) fn fields(&self, many: usize) -> HeaderMap {
        // More room is made, or none is left, as fields come.
        let many = many.clamp(ANSWER_FIELDS, FIELDS_KEPT_MAX);
        match self.fields.borrow_mut().pop() {
            Some(mut fields) => {
                fields.reserve(many);
                fields
            }
            None => HeaderMap::with_capacity(many),
        }
    }

    pub(super) fn leave_fields(&self, mut fields: HeaderMap) {
        if (1..=FIELDS_KEPT_MAX).contains(&fields.capacity()) {
            fields.clear();
            keep(&self.fields, fields);
        }
    }

    /// An empty buffer to write into.
    pub(super) fn text(&self) -> Vec<u8> {
        self.texts.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    pub(super) fn leave_text(&self, mut text: Vec<u8>) {
        if (1..=TEXT_KEPT_MAX).contains(&text.capacity()) {
            text.clear();
            keep(&self.texts, text);
        }
    }

    /// Lets go of all of them: memory is for those who use it.
    pub(in crate::http) fn clear(&self) {
        self.rooms.clear();
        *self.block.borrow_mut() = BytesMut::new();
        self.readers.borrow_mut().clear();
        self.fields.borrow_mut().clear();
        self.texts.borrow_mut().clear();
        self.pipes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_share_a_block_and_large_ones_keep_what_they_were_read_into() {
        let kit = Kit::default();
        let mut read = BytesMut::from(&b"first second"[..]);
        let (first, second) = (kit.head_of(&mut read, 6), kit.head_of(&mut read, 6));
        assert_eq!((&*first, &*second, read.len()), (&b"first "[..], &b"second"[..], 0));
        assert_eq!(first.as_ptr().wrapping_add(6), second.as_ptr());
        let mut read = BytesMut::from(&vec![b'x'; COPIED_MAX + 1][..]);
        let at = read.as_ptr();
        assert_eq!(kit.head_of(&mut read, COPIED_MAX + 1).as_ptr(), at);
    }

    #[test]
    fn a_block_is_used_again_when_its_heads_are_gone() {
        let kit = Kit::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let mut read = BytesMut::from(&[b'x'; 1000][..]);
            seen.insert(kit.head_of(&mut read, 1000).as_ptr() as usize / BLOCK);
        }
        assert!(seen.len() <= 2, "{} blocks", seen.len());
    }

    #[test]
    fn room_is_for_few_fields_however_many_may_come() {
        assert!(Kit::default().fields(1_000_000).capacity() <= 2 * FIELDS_KEPT_MAX);
    }

    #[test]
    fn what_has_grown_large_is_not_kept() {
        let kit = Kit::default();
        kit.leave_text(Vec::with_capacity(TEXT_KEPT_MAX + 1));
        kit.leave_fields(HeaderMap::with_capacity(10 * FIELDS_KEPT_MAX));
        assert!(kit.texts.borrow().is_empty() && kit.fields.borrow().is_empty());
        (0..2 * KEPT_MAX).for_each(|_| kit.leave_text(Vec::with_capacity(1)));
        assert_eq!(kit.texts.borrow().len(), KEPT_MAX);
    }
}
