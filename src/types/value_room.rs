//! Room for what an answer says of itself in one field or another: used again by the next one.

use std::cell::RefCell;

use bytes::BytesMut;
use http::HeaderValue;

/// Octets of a room. A value holds on to all of it for as long as it lives.
const OCTETS: usize = 1024;
/// Room for the longest that is usual.
const AHEAD: usize = 128;

/// One worker's. Values are written one behind the other; once it is full and none of them is left, which is most often so, the
/// next one begins where the first one did. So values of fields are made without an allocation.
#[derive(Debug)]
pub struct ValueRoom(RefCell<BytesMut>);

/// A value that no other message will have. Over HTTP/2 it is told as it is (RFC 7541 §6.2.3): in the table of what was said before, which is
/// small, it would put out what can be said again, and h2 compares each such value with all that were there.
#[must_use]
pub fn of_one_message(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl Default for ValueRoom {
    fn default() -> Self {
        Self(RefCell::new(BytesMut::with_capacity(OCTETS)))
    }
}

impl ValueRoom {
    /// The value that is written, [of one message](of_one_message); nothing where nothing is, or what can't stand in a field.
    pub fn value(&self, write: impl FnOnce(&mut BytesMut)) -> Option<HeaderValue> {
        let mut room = self.0.take();
        // Where something of it is left, another of the same size.
        room.reserve(AHEAD);
        write(&mut room);
        let value = room.split().freeze();
        self.0.replace(room);
        if value.is_empty() { None } else { HeaderValue::from_maybe_shared(value).ok().map(of_one_message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(room: &ValueRoom, text: &str) -> Option<HeaderValue> {
        room.value(|value| value.extend_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_same_room_is_written_again_when_none_of_it_is_left() {
        let room = ValueRoom::default();
        let text = "x".repeat(100);
        let first = said(&room, &text).unwrap().as_bytes().as_ptr();
        let again = (0..100).filter(|_| said(&room, &text).unwrap().as_bytes().as_ptr() == first).count();
        assert!(again > 5, "{again}");
    }

    #[test]
    fn what_is_left_stays_as_it_is() {
        let room = ValueRoom::default();
        let all: Vec<_> = (0..200).map(|n| (n, said(&room, &format!("number {n}")).unwrap())).collect();
        assert!(all.iter().all(|(n, value)| *value == format!("number {n}")));
        let long = "y".repeat(10 * OCTETS);
        assert_eq!(said(&room, &long).unwrap(), long);
        assert_eq!(said(&room, "short").unwrap(), "short");
    }

    #[test]
    fn nothing_is_no_value_and_neither_are_lines() {
        let room = ValueRoom::default();
        assert_eq!((said(&room, ""), said(&room, "a\r\nb")), (None, None));
        assert_eq!(said(&room, "a").unwrap(), "a");
    }
}
