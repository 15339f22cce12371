//! The frames of an HTTP/2 connection, told apart by their heads (RFC 9113 §4.1) as the bytes pass, however these are cut.
//!
//! It reads what counts for the accounts: nine octets a frame, and the first few of the payloads that say more. It is not a
//! parser: h2 is, and decides what a frame means.

/// Octets of a frame's head.
const HEAD: usize = 9;
/// The most octets of a payload that are kept.
const START_MAX: usize = 8;

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

/// One frame: its head, and how its payload starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Octets of its payload.
    pub(super) length: u32,
    /// Its type.
    pub(super) kind: u8,
    /// Its flags.
    pub(super) flags: u8,
    /// The first octets of its payload, where they are looked at; zeros otherwise.
    pub(super) start: [u8; START_MAX],
}

impl Frame {
    /// Whether it is DATA of few octets.
    pub(super) fn is_small_data(&self) -> bool {
        self.kind == kind::DATA && self.octets() < SMALL
    }

    /// The error of a frame that is not as long as its type has it (RFC 9113 §6), FRAME_SIZE_ERROR: h2 calls it PROTOCOL_ERROR.
    pub(super) fn is_of_wrong_size(&self) -> bool {
        match self.kind {
            kind::PING => self.length != 8,
            kind::RST_STREAM | kind::WINDOW_UPDATE => self.length != 4,
            kind::SETTINGS if self.flags & ACK_OR_END_STREAM != 0 => self.length != 0,
            kind::SETTINGS => !self.length.is_multiple_of(6),
            _ => false,
        }
    }

    /// Whether it is the last of its side of the stream.
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & ACK_OR_END_STREAM != 0
    }

    /// Whether it is the last of its header block.
    pub(super) fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
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
            let frame = self.frame();
            self.skip = (frame.length as usize).saturating_sub(self.have - HEAD);
            self.seen = [0; HEAD + START_MAX];
            self.have = 0;
            tell(&frame);
        }
    }

    /// How many octets have to be seen of the frame that has begun.
    fn wanted(&self) -> usize {
        if self.have < HEAD {
            return HEAD;
        }
        let frame = self.frame();
        let start = match frame.kind {
            kind::DATA if frame.flags & PADDED != 0 => 1,
            kind::RST_STREAM => 4,
            kind::GOAWAY => START_MAX,
            _ => 0,
        };
        HEAD + start.min(frame.length as usize)
    }

    fn frame(&self) -> Frame {
        let [a, b, c, kind, flags, _, _, _, _, start @ ..] = self.seen;
        Frame { length: u32::from_be_bytes([0, a, b, c]), kind, flags, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(chunks: &[&[u8]]) -> Vec<Frame> {
        let (mut frames, mut told) = (Frames::default(), Vec::new());
        for chunk in chunks {
            frames.pass(chunk, |frame| told.push(*frame));
        }
        told
    }

    fn written(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Reads frames that are all there.
    fn naive(mut bytes: &[u8]) -> Vec<Frame> {
        let mut told = Vec::new();
        while bytes.len() >= HEAD {
            let length = usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
            let (kind, flags, payload) = (bytes[3], bytes[4], &bytes[HEAD..HEAD + length]);
            let kept = match kind {
                kind::DATA if flags & PADDED != 0 => 1,
                kind::RST_STREAM => 4,
                kind::GOAWAY => 8,
                _ => 0,
            };
            let mut start = [0; START_MAX];
            let kept = kept.min(length);
            start[..kept].copy_from_slice(&payload[..kept]);
            told.push(Frame { length: length as u32, kind, flags, start });
            bytes = &bytes[HEAD + length..];
        }
        told
    }

    #[test]
    fn a_frame_without_payload_is_told_of_at_once() {
        assert_eq!(told(&[&written(kind::SETTINGS, 1, &[])]).len(), 1);
    }

    #[test]
    fn what_counts_of_a_payload_is_read() {
        let padded = [&[3_u8][..], b"ab", &[0; 3]].concat();
        assert_eq!(told(&[&written(kind::DATA, PADDED, &padded)])[0].octets(), 2);
        assert_eq!(told(&[&written(kind::DATA, PADDED, &[0])])[0].octets(), 0);
        // More padding than payload is h2's to refuse.
        assert_eq!(told(&[&written(kind::DATA, PADDED, &[9, 9])])[0].octets(), 0);
        assert_eq!(told(&[&written(kind::RST_STREAM, 0, &[0, 0, 0, 8])])[0].code(), 8);
        assert_eq!(told(&[&written(kind::GOAWAY, 0, &[0, 0, 0, 9, 0, 0, 0, 11, 1, 2])])[0].code(), 11);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_frames_are_the_same(
            frames in prop::collection::vec((0..12_u8, any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            cuts in prop::collection::vec(1..30_usize, 1..60),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, payload)| written(*kind, *flags, payload)).collect();
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                chunks.push(now);
                rest = later;
            }
            prop_assert_eq!(told(&chunks), naive(&bytes));
        }
    }
}
