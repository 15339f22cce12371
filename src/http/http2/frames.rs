//! The frames of an HTTP/2 connection, told apart by their heads (RFC 9113 §4.1) as the bytes pass, however these are cut.
//!
//! It reads what counts for the accounts: nine octets a frame, and the first few of the payloads that say more. It is not a
//! parser: h2 is, and decides what a frame means.

use h2::Reason;

use super::block::begins_with_pseudo;

/// Octets of a frame's head.
const HEAD: usize = 9;
/// The most octets of a payload that are kept.
const START_MAX: usize = 8;
/// Octets of one setting, and the one that says how wide windows are at first (RFC 9113 §6.5).
const SETTING: usize = 6;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// The widest window there may be (RFC 9113 §6.9.1).
const WINDOW_MAX: u32 = i32::MAX as u32;

/// Types of frames (RFC 9113 §6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// What a window that is opened by few octets lets through at a time.
pub(super) const SMALL: u32 = 256;

const ACK_OR_END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// One frame: its head, and how its payload starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Octets of its payload.
    pub(super) length: u32,
    /// Its type.
    pub(super) kind: u8,
    /// Its flags.
    pub(super) flags: u8,
    /// The stream that it is of, 0 for the connection.
    pub(super) stream: u32,
    /// The first octets of its payload, where they are looked at; zeros otherwise.
    pub(super) start: [u8; START_MAX],
}

impl Frame {
    /// Whether it is DATA of few octets.
    pub(super) fn is_small_data(&self) -> bool {
        self.kind == kind::DATA && self.octets() < SMALL
    }

    /// The error of a frame that is not as long as its type has it (RFC 9113 §4.2, §6), which h2 would call PROTOCOL_ERROR.
    pub(super) fn fault(&self) -> Option<Reason> {
        let has = |flag: u8| u32::from(self.flags & flag != 0);
        let is_of_wrong_size = match self.kind {
            kind::PING => self.length != 8,
            kind::RST_STREAM | kind::WINDOW_UPDATE => self.length != 4,
            kind::PRIORITY => self.length != 5,
            kind::GOAWAY => self.length < 8,
            kind::SETTINGS if self.is_acknowledgement() => self.length != 0,
            kind::SETTINGS => !self.length.is_multiple_of(SETTING as u32),
            // Too short for what its flags say is there.
            kind::DATA => self.length < has(PADDED),
            kind::HEADERS => self.length < has(PADDED) + 5 * has(WITH_PRIORITY),
            _ => false,
        };
        is_of_wrong_size.then_some(Reason::FRAME_SIZE_ERROR)
    }

    fn is_acknowledgement(&self) -> bool {
        self.flags & ACK_OR_END_STREAM != 0
    }

    /// Whether it is the last of its side of the stream.
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & ACK_OR_END_STREAM != 0
    }

    /// Whether it is the last of its header block.
    pub(super) fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Whether it is HEADERS that begin with a pseudo-header field, as far as that can be seen.
    pub(super) fn begins_with_pseudo(&self) -> bool {
        let before = usize::from(self.flags & PADDED != 0) + 5 * usize::from(self.flags & WITH_PRIORITY != 0);
        self.kind == kind::HEADERS && begins_with_pseudo(self.start.get(before..).unwrap_or_default())
    }

    /// Octets of its payload that are no padding.
    pub(super) fn octets(&self) -> u32 {
        match self.kind == kind::DATA && self.flags & PADDED != 0 {
            true => self.length.saturating_sub(1 + u32::from(self.start[0])),
            false => self.length,
        }
    }

    /// The error code of a RST_STREAM or a GOAWAY.
    pub(super) fn code(&self) -> u32 {
        let [a, b, c, d, e, f, g, h] = self.start;
        match self.kind {
            kind::GOAWAY => u32::from_be_bytes([e, f, g, h]),
            _ => u32::from_be_bytes([a, b, c, d]),
        }
    }
}

/// Follows one direction of a connection, behind its preface.
#[derive(Debug, Default)]
pub(super) struct Frames {
    seen: [u8; HEAD + START_MAX],
    have: usize,
    /// Octets of payload that are to come and not looked at.
    skip: usize,
    /// Settings that are to come of a frame of them.
    settings: usize,
    /// Whether one of them was a window that is too wide.
    too_wide: bool,
    /// Whether the last frame was of a header block, and whether others of that are to come.
    of_block: bool,
    block_goes_on: bool,
}

impl Frames {
    /// Passes bytes; tells of every frame once its head, and what is kept of its payload, is complete.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut tell: impl FnMut(&Frame)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            // A head without a payload is complete without another byte.
            let want = self.wanted();
            if self.have < want {
                let Some((now, later)) = bytes.split_at_checked((want - self.have).min(bytes.len())) else {
                    return;
                };
                if now.is_empty() {
                    return;
                }
                if let Some(room) = self.seen.get_mut(self.have..self.have + now.len()) {
                    room.copy_from_slice(now);
                }
                self.have += now.len();
                bytes = later;
                continue;
            }
            if self.settings > 0 {
                self.take_setting();
                continue;
            }
            let frame = self.frame();
            self.skip = (frame.length as usize).saturating_sub(self.have - HEAD);
            if frame.kind == kind::SETTINGS && !frame.is_acknowledgement() {
                (self.settings, self.skip) = (self.skip / SETTING, self.skip % SETTING);
            }
            self.of_block = matches!(frame.kind, kind::HEADERS | kind::CONTINUATION);
            self.block_goes_on = self.of_block && !frame.ends_block();
            self.seen = [0; HEAD + START_MAX];
            self.have = 0;
            tell(&frame);
        }
    }

    /// Whether a header block has begun and is not all there.
    pub(super) fn is_amid_block(&self) -> bool {
        let begun = self.have >= HEAD && self.frame().kind == kind::HEADERS;
        begun || self.block_goes_on || (self.of_block && self.skip > 0)
    }

    /// The error of a setting that has come, which h2 would call PROTOCOL_ERROR (RFC 9113 §6.5.2).
    pub(super) fn fault_of_settings(&self) -> Option<Reason> {
        self.too_wide.then_some(Reason::FLOW_CONTROL_ERROR)
    }

    fn take_setting(&mut self) {
        let [a, b, c, d, e, f, ..] = self.seen;
        if u16::from_be_bytes([a, b]) == INITIAL_WINDOW_SIZE {
            self.too_wide |= u32::from_be_bytes([c, d, e, f]) > WINDOW_MAX;
        }
        self.settings -= 1;
        self.seen = [0; HEAD + START_MAX];
        self.have = 0;
    }

    /// How many octets have to be seen of the frame that has begun, or of its next setting.
    fn wanted(&self) -> usize {
        if self.settings > 0 {
            return SETTING;
        }
        if self.have < HEAD {
            return HEAD;
        }
        let frame = self.frame();
        let start = match frame.kind {
            kind::DATA if frame.flags & PADDED != 0 => 1,
            kind::RST_STREAM => 4,
            kind::GOAWAY | kind::HEADERS => START_MAX,
            _ => 0,
        };
        HEAD + start.min(frame.length as usize)
    }

    fn frame(&self) -> Frame {
        let [a, b, c, kind, flags, d, e, f, g, start @ ..] = self.seen;
        // The first bit means nothing.
        let stream = u32::from_be_bytes([d, e, f, g]) & (u32::MAX >> 1);
        Frame { length: u32::from_be_bytes([0, a, b, c]), kind, flags, stream, start }
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
