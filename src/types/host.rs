//! Host names as they stand in a request: normalised for comparison.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

/// The longest host: a DNS name has at most 253 octets in text (RFC 1035 §3.1), an IP literal fewer.
pub const HOST_LEN_MAX: usize = 253;

/// Whether a name may have it, in lower case.
fn is_of_a_name(octet: u8) -> bool {
    (octet.wrapping_sub(b'a') < 26)
        | (octet.wrapping_sub(b'0') < 10)
        | (octet == b'-')
        | (octet == b'_')
        | (octet == b'.')
}

/// A host in its one comparable form: lower case, without port or trailing dot.
///
/// Parsed from a `Host` field, an `:authority` or a target's authority (RFC 9110 §7.2,
/// RFC 3986 §3.2.2). Names consist of letters, digits, `-` and `_`; IPv4 and bracketed IPv6
/// addresses are hosts too. Parsing allocates nothing for a host of up to 56 octets; comparing never does.
#[derive(Clone)]
pub struct HostName {
    // Not all that a name may have: it is moved with its request.
    octets: SmallVec<[u8; 56]>,
    port: Option<u16>,
}

/// Why a text is no host. The text is a client's: it must not be shown to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// Nothing before the port.
    #[error("the host is empty")]
    Empty,
    /// More than [`HOST_LEN_MAX`] octets, or a label of more than 63.
    #[error("the host is too long")]
    TooLong,
    /// An octet that no host name has (this includes user info, paths and blanks).
    #[error("the host has a character that no host name has")]
    Character,
    /// Two dots in a row, or a dot at the start.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// A port that is no number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Brackets without an IPv6 address in them.
    #[error("the brackets hold no IPv6 address")]
    Ipv6,
    /// A name whose last label is a number, but which is no IPv4 address.
    #[error("the host ends in a number but is no IPv4 address")]
    Ipv4,
}

impl HostName {
    /// Parses `host [ ":" port ]`.
    ///
    /// # Errors
    /// [`InvalidHost`] names the rule that was broken.
    pub fn parse(authority: &[u8]) -> Result<Self, InvalidHost> {
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(InvalidHost::Empty);
        }
        if host.first() == Some(&b'[') {
            return Self::ipv6(host, port);
        }
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.len() > HOST_LEN_MAX {
            return Err(InvalidHost::TooLong);
        }
        let mut octets = SmallVec::from_slice(host);
        // All of it at once, which a processor does in a few steps.
        octets.make_ascii_lowercase();
        if !octets.iter().fold(true, |all, octet| all & is_of_a_name(*octet)) {
            return Err(InvalidHost::Character);
        }
        let mut last: &[u8] = b"";
        for label in octets.split(|octet| *octet == b'.') {
            match label.len() {
                0 => return Err(InvalidHost::EmptyLabel),
                64.. => return Err(InvalidHost::TooLong),
                _ => last = label,
            }
        }
        let label_is_number = last.iter().all(u8::is_ascii_digit);
        let name = Self { octets, port };
        // "127.1" and "0x7f.1" are addresses to some resolvers and names to others: only the one
        // spelling that all agree on may pass (WHATWG URL §3.5, "ends in a number").
        if label_is_number && name.as_str().parse::<Ipv4Addr>().is_err() {
            return Err(InvalidHost::Ipv4);
        }
        Ok(name)
    }

    fn ipv6(bracketed: &[u8], port: Option<u16>) -> Result<Self, InvalidHost> {
        let inner = bracketed
            .strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"))
            .and_then(|inner| std::str::from_utf8(inner).ok())
            .ok_or(InvalidHost::Ipv6)?;
        let address: Ipv6Addr = inner.parse().map_err(|_| InvalidHost::Ipv6)?;
        // Written anew, so that all spellings of one address compare equal (RFC 5952).
        let text = format!("[{address}]");
        Ok(Self { octets: SmallVec::from_slice(text.as_bytes()), port })
    }

    /// The host: lower case, without port or trailing dot; IPv6 in brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let octets = &*self.octets;
        debug_assert!(octets.is_ascii());
        // SAFETY: `parse` lets nothing in but letters, digits, `-`, `_`, `.`, and the brackets and colons of an address: ASCII.
        #[allow(unsafe_code)]
        unsafe {
            std::str::from_utf8_unchecked(octets)
        }
    }

    /// The port, where one was written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

fn split_port(authority: &[u8]) -> Result<(&[u8], Option<u16>), InvalidHost> {
    let colon = match authority.iter().rposition(|b| matches!(b, b':' | b']')) {
        Some(at) if authority.get(at) == Some(&b':') => at,
        _ => return Ok((authority, None)),
    };
    let (host, port) = authority.split_at(colon);
    let digits = port.get(1..).unwrap_or_default();
    // RFC 3986 §3.2.3 lets the port be empty: it is then the scheme's own.
    if digits.is_empty() {
        return Ok((host, None));
    }
    let mut number = 0_u16;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(InvalidHost::Port);
        }
        number = number
            .checked_mul(10)
            .and_then(|n| n.checked_add(u16::from(digit - b'0')))
            .ok_or(InvalidHost::Port)?;
    }
    if number == 0 { Err(InvalidHost::Port) } else { Ok((host, Some(number))) }
}

impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for HostName {}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(text: &str) -> Result<String, InvalidHost> {
        HostName::parse(text.as_bytes()).map(|h| h.to_string())
    }

    #[test]
    fn hosts_compare_without_case_port_or_trailing_dot() {
        assert_eq!(host("ACME.app.Example.com:8080").as_deref(), Ok("acme.app.example.com"));
        assert_eq!(host("acme.app.example.com.").as_deref(), Ok("acme.app.example.com"));
        assert_eq!(host("acme.test.:80").as_deref(), Ok("acme.test"));
        assert_eq!(host("acme.test:").as_deref(), Ok("acme.test"));
        assert_eq!(host("[2001:DB8::0:1]:443").as_deref(), Ok("[2001:db8::1]"));
        assert_eq!(host("127.0.0.1:80").as_deref(), Ok("127.0.0.1"));
        assert_eq!(HostName::parse(b"a:8443").map(|h| h.port()), Ok(Some(8443)));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (text, why) in [
            ("", InvalidHost::Empty),
            (":80", InvalidHost::Empty),
            ("a b", InvalidHost::Character),
            ("a/b", InvalidHost::Character),
            ("user@a", InvalidHost::Character),
            ("a:80:80", InvalidHost::Character),
            ("a,b", InvalidHost::Character),
            ("a..b", InvalidHost::EmptyLabel),
            (".a", InvalidHost::EmptyLabel),
            (".", InvalidHost::EmptyLabel),
            ("a:0", InvalidHost::Port),
            ("a:65536", InvalidHost::Port),
            ("a:8x", InvalidHost::Port),
            ("a:+80", InvalidHost::Port),
            ("[::1", InvalidHost::Ipv6),
            ("[::g]", InvalidHost::Ipv6),
            ("[1.2.3.4]", InvalidHost::Ipv6),
            ("[::1]x", InvalidHost::Ipv6),
            ("127.1", InvalidHost::Ipv4),
            ("1.2.3.256", InvalidHost::Ipv4),
        ] {
            assert_eq!(host(text), Err(why), "{text}");
        }
        assert_eq!(host(&"a".repeat(64)), Err(InvalidHost::TooLong));
        assert_eq!(host(&"a.".repeat(127)).map(|h| h.len()), Ok(253));
        assert_eq!(host(&"a.".repeat(128)), Err(InvalidHost::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused_and_what_parses_is_stable(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(first) = HostName::parse(&bytes) {
                let again = HostName::parse(first.as_str().as_bytes());
                prop_assert_eq!(again.as_ref(), Ok(&first));
                prop_assert!(!first.as_str().is_empty());
                prop_assert!(first.as_str().bytes().all(|b| !b.is_ascii_uppercase() && b.is_ascii_graphic()));
            }
        }

        #[test]
        fn case_and_trailing_dot_never_matter(name in "[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\\.[a-z]{2,8}){0,4}", port in 1_u16..) {
            let plain = &HostName::parse(name.as_bytes());
            prop_assert!(plain.is_ok());
            prop_assert_eq!(&HostName::parse(name.to_uppercase().as_bytes()), plain);
            prop_assert_eq!(&HostName::parse(format!("{name}.:{port}").as_bytes()), plain);
        }
    }
}
