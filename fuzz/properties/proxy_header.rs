//! What holds for any bytes that stand where a PROXY header should.

use tollgate::listen::proxy_protocol::{HEADER_MAX, Parsed, parse};

/// Bytes are a header, the beginning of one, or none; and which, no cut changes.
pub fn has_one_end(bytes: &[u8]) {
    match parse(bytes) {
        Ok(Parsed::Whole(header, len)) => {
            assert!(len <= bytes.len() && len <= HEADER_MAX);
            let header = &header;
            // What follows is the client's: it changes nothing.
            let own = bytes.get(..len).unwrap_or_default();
            assert_eq!(parse(own), Ok(Parsed::Whole(header.clone(), len)));
            for cut in 0..len {
                match parse(bytes.get(..cut).unwrap_or_default()) {
                    Ok(Parsed::Partial { need }) => {
                        assert!(need >= 1 && cut + need <= len, "{need} after {cut}")
                    }
                    other => panic!("{other:?} after {cut} of {len}"),
                }
            }
        }
        Ok(Parsed::Partial { need }) => assert!(need >= 1 && bytes.len() < HEADER_MAX),
        Err(why) => {
            // No byte more makes a header of what is none.
            let more = [bytes, b"\r\nPROXY UNKNOWN\r\n\0\0\0\0"].concat();
            assert_eq!(parse(&more), Err(why));
        }
    }
}
