//! Frames however their bytes are cut, and what is wrong with some.

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
            kind::GOAWAY | kind::HEADERS => 8,
            _ => 0,
        };
        let mut start = [0; START_MAX];
        let kept = kept.min(length);
        start[..kept].copy_from_slice(&payload[..kept]);
        told.push(Frame { length: length as u32, kind, flags, stream: 1, start });
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

#[test]
fn a_header_block_begins_behind_padding_and_priority() {
    let says =
        |flags, payload: &[u8]| told(&[&written(kind::HEADERS, flags, payload)])[0].begins_with_pseudo();
    assert!(says(0, &[0x83]) && says(PADDED, &[1, 0x83, 0]));
    assert!(says(WITH_PRIORITY, &[0, 0, 0, 0, 9, 0x83]));
    assert!(says(PADDED | WITH_PRIORITY, &[0, 0, 0, 0, 0, 9, 0x83]));
    assert!(!says(0, &[]) && !says(0, &[0x90]) && !says(PADDED, &[0x83, 0x90]));
    assert!(!told(&[&written(kind::CONTINUATION, 0, &[0x83])])[0].begins_with_pseudo());
}

#[test]
fn a_frame_that_is_too_short_or_too_long_for_its_type_is_a_fault() {
    let fault = |kind, flags, length: usize| told(&[&written(kind, flags, &vec![0; length])])[0].fault();
    for (kind, flags, wrong, right) in [
        (kind::PING, 0, [7, 9], 8),
        (kind::RST_STREAM, 0, [3, 5], 4),
        (kind::WINDOW_UPDATE, 0, [3, 5], 4),
        (kind::PRIORITY, 0, [4, 6], 5),
        (kind::GOAWAY, 0, [0, 7], 8),
        (kind::SETTINGS, 0, [5, 7], 12),
        (kind::SETTINGS, ACK_OR_END_STREAM, [1, 6], 0),
        (kind::HEADERS, WITH_PRIORITY, [0, 4], 5),
        (kind::HEADERS, WITH_PRIORITY | PADDED, [1, 5], 6),
    ] {
        for length in wrong {
            assert_eq!(fault(kind, flags, length), Some(Reason::FRAME_SIZE_ERROR), "{kind} {length}");
        }
        assert_eq!(fault(kind, flags, right), None, "{kind} {right}");
    }
    assert_eq!(fault(kind::DATA, PADDED, 0), Some(Reason::FRAME_SIZE_ERROR));
    assert_eq!(fault(kind::DATA, PADDED, 1), None);
    assert_eq!(fault(kind::HEADERS, 0, 0), None);
}

#[test]
fn a_window_that_is_too_wide_is_found_among_settings() {
    let setting = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let wide = setting(INITIAL_WINDOW_SIZE, 1 << 31);
    let others = [setting(3, u32::MAX), setting(INITIAL_WINDOW_SIZE, WINDOW_MAX)].concat();
    for (payload, expected) in [
        (others.clone(), None),
        ([&others[..], &wide].concat(), Some(Reason::FLOW_CONTROL_ERROR)),
        ([&wide[..], &others].concat(), Some(Reason::FLOW_CONTROL_ERROR)),
    ] {
        let bytes = [written(kind::SETTINGS, 0, &payload), written(kind::PING, 0, &wide)].concat();
        for cut in 1..bytes.len() {
            let (mut frames, mut kinds) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                frames.pass(piece, |frame| kinds.push(frame.kind));
            }
            assert_eq!(frames.fault_of_settings(), expected, "cut at {cut}");
            assert_eq!(kinds, [kind::SETTINGS, kind::PING]);
        }
    }
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
