//! The first version: one line for people to read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use memchr::memchr;

use super::{Header, Malformed, Origin, Parsed, Tlvs};

const START: &[u8] = b"PROXY ";
/// The longest line with its end (specification §2.1).
const LINE_MAX: usize = 107;
/// The shortest: `PROXY UNKNOWN\r\n`.
pub(super) const LEAST: usize = 15;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Malformed> {
    let seen = bytes.get(..START.len().min(bytes.len())).unwrap_or_default();
    if !START.starts_with(seen) {
        return Err(Malformed::Missing);
    }
    let head = bytes.get(..LINE_MAX.min(bytes.len())).unwrap_or_default();
    let Some(end) = memchr(b'\n', head) else {
        if bytes.len() >= LINE_MAX {
            return Err(Malformed::Line);
        }
        return Ok(Parsed::Partial { need: LEAST.saturating_sub(bytes.len()).max(1) });
    };
    let line = head.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed::Line)?;
    let origin = line.strip_prefix(START).and_then(origin).ok_or(Malformed::Line)?;
    Ok(Parsed::Whole(Header { version: 1, origin, tlvs: Tlvs::default() }, end + 1))
}

/// `UNKNOWN` and whatever, or the protocol, two addresses and two ports with one blank between them.
fn origin(rest: &[u8]) -> Option<Origin> {
    let rest = std::str::from_utf8(rest).ok()?;
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Some(Origin::Unnamed);
    }
    let mut words = rest.split(' ');
    let family = words.next()?;
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || words.next().and_then(port);
    let (source_port, destination_port) = (port()?, port()?);
    if words.next().is_some() {
        return None;
    }
    Some(Origin::Client {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// A number up to 65535 in the one way of writing it.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
    if plain { word.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn origin_of(line: &str) -> Result<Origin, Malformed> {
        match parse(line.as_bytes())? {
            Parsed::Whole(header, len) => {
                assert_eq!((header.version, len), (1, line.find('\n').unwrap() + 1));
                Ok(header.origin)
            }
            Parsed::Partial { .. } => panic!("{line:?} is partial"),
        }
    }

    #[test]
    fn the_lines_of_the_specification_are_read() {
        let client = |source: &str, destination: &str| {
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            Ok(Origin::Client { source, destination })
        };
        assert_eq!(
            origin_of("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n"),
            client("192.168.0.1:56324", "192.168.0.11:443")
        );
        assert_eq!(
            origin_of("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
            client("[2001:db8::1]:1", "[::1]:65535")
        );
        assert_eq!(origin_of("PROXY UNKNOWN\r\n"), Ok(Origin::Unnamed));
        let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", "ffff:".repeat(7) + "ffff");
        assert_eq!((longest.len(), origin_of(&longest)), (107, Ok(Origin::Unnamed)));
    }

    #[test]
    fn what_is_almost_a_line_is_refused() {
        for line in [
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n",
            "PROXY  TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n",
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n",
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 65536\r\n",
            "PROXY TCP4 192.168.0.1 192.168.0.11 056 443\r\n",
            "PROXY TCP4 192.168.0.1 192.168.0.11 +56 443\r\n",
            "PROXY TCP4 192.168.0.01 192.168.0.11 56 443\r\n",
            "PROXY TCP4 ::1 ::1 56 443\r\n",
            "PROXY TCP6 192.168.0.1 192.168.0.11 56 443\r\n",
            "PROXY UDP4 192.168.0.1 192.168.0.11 56 443\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY tcp4 192.168.0.1 192.168.0.11 56 443\r\n",
        ] {
            assert_eq!(origin_of(line), Err(Malformed::Line), "{line:?}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(100));
        assert_eq!(parse(endless.as_bytes()), Err(Malformed::Line));
        for other in ["GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "PROXYTCP4", "\x16\x03\x01"] {
            assert_eq!(parse(other.as_bytes()), Err(Malformed::Missing), "{other:?}");
        }
    }

    #[test]
    fn every_piece_of_a_line_wants_more() {
        let line = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
        for len in 0..line.len() {
            let Ok(Parsed::Partial { need }) = parse(&line[..len]) else { panic!("{len}") };
            assert!(need >= 1 && len + need <= line.len(), "{len} and {need}");
        }
    }
}
