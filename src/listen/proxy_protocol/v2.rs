//! The second version: a fixed part of 16 octets, addresses, and TLVs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{HEADER_MAX, Header, Malformed, Origin, Parsed, Tlvs};

/// What no other protocol begins with (specification §2.2).
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const FIXED: usize = 16;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Malformed> {
    let seen = bytes.get(..SIGNATURE.len().min(bytes.len())).unwrap_or_default();
    if !SIGNATURE.starts_with(seen) {
        return Err(Malformed::Missing);
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Parsed::Partial { need: FIXED - bytes.len() });
    };
    let [.., command, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + len > HEADER_MAX {
        return Err(Malformed::TooLong);
    }
    let relayed = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err(Malformed::Fixed),
    };
    let Some(block) = rest.get(..len) else {
        return Ok(Parsed::Partial { need: len - rest.len() });
    };
    let whole = bytes.get(..FIXED + len).unwrap_or_default();
    // With LOCAL the family says nothing, but what it announces has its length all the same.
    let addresses = match family {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(Malformed::Fixed),
    };
    let (addresses, tlvs) = match block.split_at_checked(addresses) {
        Some((addresses, tlvs)) => (addresses, Tlvs::parse(tlvs, whole)?),
        // A health check need not announce anything.
        None if !relayed => (&[][..], Tlvs::parse(&[], whole)?),
        None => return Err(Malformed::Fixed),
    };
    let origin = match family {
        _ if !relayed => Origin::Local,
        0x11 => client::<4>(addresses, |octets| IpAddr::V4(Ipv4Addr::from(octets)))?,
        0x21 => client::<16>(addresses, |octets| IpAddr::V6(Ipv6Addr::from(octets)))?,
        // Datagrams are none of ours, and a path is no address.
        _ => Origin::Unnamed,
    };
    Ok(Parsed::Whole(Header { version: 2, origin, tlvs }, FIXED + len))
}

/// Both addresses, then both ports.
fn client<const N: usize>(block: &[u8], ip: impl Fn([u8; N]) -> IpAddr) -> Result<Origin, Malformed> {
    let both = || {
        let (source, rest) = block.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk::<2>()?;
        let destination_port = rest.first_chunk::<2>()?;
        Some(Origin::Client {
            source: SocketAddr::new(ip(*source), u16::from_be_bytes(*source_port)),
            destination: SocketAddr::new(ip(*destination), u16::from_be_bytes(*destination_port)),
        })
    };
    both().ok_or(Malformed::Fixed)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 9, 0xc3, 0x50, 0x01, 0xbb];

    fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend(block);
        bytes
    }

    fn whole(bytes: &[u8]) -> Result<Header<'_>, Malformed> {
        match parse(bytes)? {
            Parsed::Whole(header, _) => Ok(header),
            Parsed::Partial { need } => panic!("{need} are missing"),
        }
    }

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
        bytes
    }

    /// The header with its checksum filled in.
    fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
        let sum = crc32c::crc32c(&bytes).to_be_bytes();
        let at = bytes.windows(3).position(|window| window == [3, 0, 4]).unwrap() + 3;
        bytes[at..at + 4].copy_from_slice(&sum);
        bytes
    }

    #[test]
    fn addresses_are_read() {
        let v4 = header(0x21, 0x11, &V4);
        let client = Origin::Client {
            source: "192.0.2.7:50000".parse().unwrap(),
            destination: "198.51.100.9:443".parse().unwrap(),
        };
        assert_eq!(whole(&v4).unwrap().origin, client);
        let mut block = [0; 36];
        (block[15], block[31], block[33], block[35]) = (1, 2, 80, 81);
        let client =
            Origin::Client { source: "[::1]:80".parse().unwrap(), destination: "[::2]:81".parse().unwrap() };
        assert_eq!(whole(&header(0x21, 0x21, &block)).unwrap().origin, client);
        for (command, family, len, origin) in [
            (0x20, 0x00, 0, Origin::Local),
            (0x20, 0x11, 0, Origin::Local),
            (0x20, 0x11, 12, Origin::Local),
            (0x21, 0x00, 0, Origin::Unnamed),
            (0x21, 0x12, 12, Origin::Unnamed),
            (0x21, 0x31, 216, Origin::Unnamed),
        ] {
            assert_eq!(whole(&header(command, family, &vec![0; len])).unwrap().origin, origin, "{family:x}");
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_refused() {
        for (command, family, len) in [
            (0x11, 0x11, 12),
            (0x22, 0x11, 12),
            (0x2f, 0x11, 12),
            (0x21, 0x41, 12),
            (0x21, 0x13, 12),
            (0x21, 0x11, 11),
        ] {
            let bytes = header(command, family, &vec![0; len]);
            assert_eq!(parse(&bytes), Err(Malformed::Fixed), "{command:x} {family:x} {len}");
        }
        let long = header(0x21, 0x11, &vec![0; HEADER_MAX]);
        // Known at once, before any of it is waited for.
        assert_eq!(parse(&long[..FIXED]), Err(Malformed::TooLong));
        assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\r"), Err(Malformed::Missing));
    }

    #[test]
    fn every_piece_wants_as_much_as_is_missing() {
        let bytes = header(0x21, 0x11, &V4);
        for len in 1..bytes.len() {
            let need = if len < FIXED { FIXED - len } else { bytes.len() - len };
            assert_eq!(parse(&bytes[..len]), Ok(Parsed::Partial { need }), "{len}");
        }
    }

    #[test]
    fn tlvs_are_read_and_the_checksum_is_checked() {
        let ssl = [&[0x07, 0, 0, 0, 0][..], &tlv(0x21, b"TLSv1.3"), &tlv(0x22, b"acme.test")].concat();
        let block = [
            &V4[..],
            &tlv(0x04, b"padding"),
            &tlv(0x01, b"h2"),
            &tlv(0x02, b"acme.test"),
            &tlv(0x03, &[0; 4]),
            &tlv(0x05, b"unique"),
            &tlv(0x20, &ssl),
            &tlv(0x30, b"blue"),
            &tlv(0xea, b"\x01vpce-1"),
        ];
        let bytes = summed(header(0x21, 0x11, &block.concat()));
        let header = whole(&bytes).unwrap();
        let tlvs = &header.tlvs;
        assert_eq!((tlvs.alpn, tlvs.authority), (Some(&b"h2"[..]), Some(&b"acme.test"[..])));
        assert_eq!((tlvs.unique_id, tlvs.netns), (Some(&b"unique"[..]), Some(&b"blue"[..])));
        let ssl = tlvs.ssl.as_ref().unwrap();
        assert_eq!((ssl.client, ssl.is_verified, ssl.version), (7, true, Some(&b"TLSv1.3"[..])));
        assert_eq!(ssl.common_name, Some(&b"acme.test"[..]));

        // Of what stands before the sum only the addresses: another length there could swallow it, and nothing is summed then.
        let sum = bytes.windows(3).position(|window| window == [3, 0, 4]).unwrap();
        for at in (FIXED..FIXED + V4.len()).chain(sum + 1..bytes.len()) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            assert!(parse(&wrong).is_err(), "octet {at}");
        }
    }

    #[test]
    fn tlvs_that_do_not_fit_are_refused() {
        for bad in [
            vec![0x01],
            vec![0x01, 0, 9, b'h'],
            tlv(0x03, &[0; 3]),
            [tlv(0x02, b"a"), tlv(0x02, b"b")].concat(),
            tlv(0x05, &[0; 129]),
            tlv(0x20, &[0; 4]),
            tlv(0x20, &[0, 0, 0, 0, 0, 0x21, 0, 9]),
        ] {
            let bytes = header(0x21, 0x11, &[&V4[..], &bad].concat());
            assert_eq!(parse(&bytes), Err(Malformed::Tlv), "{bad:x?}");
        }
    }
}
