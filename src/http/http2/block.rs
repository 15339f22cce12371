//! How a header block begins (RFC 7541 §6), as far as its first octets say without decoding it.
//!
//! It serves for one thing: h2 drops the pseudo-header fields of trailers and tells nobody, where RFC 9113 §8.1 has the message
//! malformed. They come first in a block or nowhere, so the first field tells. One that stands for an entry of the dynamic table is
//! not known here: it is dropped by h2, as before.

/// The entries of the static table that are pseudo-header fields (RFC 7541 appendix A).
const STATIC_PSEUDO: std::ops::RangeInclusive<u8> = 1..=14;

/// Whether the block that begins so begins with a pseudo-header field.
pub(super) fn begins_with_pseudo(mut block: &[u8]) -> bool {
    // Changes of the table's size come before all fields.
    while let [first @ 0x20..=0x3f, rest @ ..] = block {
        let more = match first & 0x1f {
            0x1f => rest.iter().take_while(|octet| **octet & 0x80 != 0).count() + 1,
            _ => 0,
        };
        block = rest.get(more..).unwrap_or_default();
    }
    let [first, rest @ ..] = block else { return false };
    let name = match first {
        0x80.. => return STATIC_PSEUDO.contains(&(first & 0x7f)),
        0x40.. => first & 0x3f,
        // Its prefix has four bits: 15 says that more of the number follows.
        _ => first & 0x0f,
    };
    match (name, rest) {
        (0, [length, start, ..]) if length & 0x80 == 0 => *start == b':',
        // In Huffman's code a colon is 1011100.
        (0, [_, start, ..]) => start & 0xfe == 0xb8,
        (0, _) => false,
        (name, _) => STATIC_PSEUDO.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_header_fields_are_known_however_they_are_written() {
        for (what, block) in [
            ("of the static table", &[0x83][..]),
            ("the last of them", &[0x8e]),
            ("a name of the table, indexed", &[0x44, 1, b'/']),
            ("not indexed", &[0x04, 1, b'/']),
            ("never indexed", &[0x11, 1, b'a']),
            ("a name in full", &[0x40, 5, b':', b'p', b'a', b't', b'h']),
            ("in full, not indexed", &[0x00, 5, b':', b'p', b'a']),
            // `:path` in Huffman's code.
            ("in Huffman's code", &[0x40, 0x84, 0xb9, 0x58, 0xd3, 0x3f]),
            ("behind a change of the table's size", &[0x20, 0x83]),
            ("behind a large one", &[0x3f, 0xe1, 0x1f, 0x20, 0x04]),
        ] {
            assert!(begins_with_pseudo(block), "{what}");
        }
    }

    #[test]
    fn other_fields_are_none() {
        for (what, block) in [
            ("nothing", &[][..]),
            ("a size alone", &[0x20]),
            ("a size that is cut", &[0x3f, 0xe1]),
            ("accept-charset", &[0x8f]),
            ("of the dynamic table", &[0xbe]),
            ("a name of the static table, not indexed", &[0x0f, 0x01, 1, b'x']),
            ("a name of the dynamic table", &[0x7e, 1, b'x']),
            ("grpc-status in full", &[0x40, 11, b'g', b'r', b'p', b'c']),
            ("x-sum in Huffman's code", &[0x40, 0x84, 0xf2, 0xb4, 0x5b, 0x7f]),
            ("no name at all", &[0x00, 0, 0]),
        ] {
            assert!(!begins_with_pseudo(block), "{what}");
        }
    }
}
