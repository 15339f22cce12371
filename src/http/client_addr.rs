//! Who the client is: the TCP peer, or whom a trusted proxy names.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::names::X_FORWARDED_FOR;
use crate::types::Peer;

/// The proxies in front whose word on the client, the scheme and the tenant is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether those are trusted that come over a Unix socket.
    unix: bool,
}

/// The client of a request, as far as it can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address: never one that an untrusted peer made up.
    pub ip: IpAddr,
    /// Whether that is sure: a trusted proxy may have named somebody that can't be read, whose address is then
    /// the proxy's here.
    pub is_known: bool,
    /// Whether the peer is a trusted proxy, so that its forwarding and tenant fields count.
    pub via_trusted: bool,
}

impl TrustedProxies {
    /// Trusts the addresses in these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, unix: false }
    }

    /// Trusts, or does not, whoever comes over a Unix socket.
    #[must_use]
    pub fn and_unix(self, unix: bool) -> Self {
        Self { unix, ..self }
    }

    /// Whether a peer is a trusted proxy. Whom a proxy relays without naming is not.
    #[must_use]
    pub fn trusts(&self, peer: Peer) -> bool {
        match peer {
            Peer::Address(_) => self.contains(peer.ip()),
            Peer::Unix => self.unix,
            Peer::Behind(_) | Peer::BehindUnix => false,
        }
    }

    /// Whether an address is a trusted proxy's.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Finds the client behind the peer: from the right of `X-Forwarded-For`, the first address that
    /// is no trusted proxy's. What stands left of it was written by the client itself.
    #[must_use]
    pub fn client(&self, peer: impl Into<Peer>, fields: &HeaderMap) -> Client {
        let peer = peer.into();
        let is_known = peer.known_ip().is_some();
        if !self.trusts(peer) {
            return Client { ip: peer.ip(), is_known, via_trusted: false };
        }
        let mut client = Client { ip: peer.ip(), is_known, via_trusted: true };
        // As octets: the left of the chain is the client's own writing, and need not be text.
        let lines = fields.get_all(&X_FORWARDED_FOR);
        for entry in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b',')) {
            let entry = entry.trim_ascii();
            if entry.is_empty() {
                continue;
            }
            match parse_hop(entry) {
                Some(hop) => (client.ip, client.is_known) = (hop, true),
                None => client.is_known = false,
            }
            if !client.is_known || !self.contains(client.ip) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it: plain, with a port, or IPv6 in brackets.
fn parse_hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text);
    let ip = match text.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) => match text.parse::<std::net::SocketAddr>() {
            Ok(address) => address.ip(),
            Err(_) => text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?,
        },
    };
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded_for: &[&str]) -> (String, bool) {
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut fields = HeaderMap::new();
        for line in forwarded_for {
            fields.append(&X_FORWARDED_FOR, line.parse().unwrap());
        }
        let client = trusted.client(peer.parse::<IpAddr>().unwrap(), &fields);
        (client.ip.to_string(), client.via_trusted)
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), ("192.0.2.1".into(), false));
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        assert_eq!(client("10.1.1.1", &["6.6.6.6, 198.51.100.7, 10.2.2.2"]), ("198.51.100.7".into(), true));
        assert_eq!(
            client("10.1.1.1", &["6.6.6.6", "198.51.100.7", "10.2.2.2"]),
            ("198.51.100.7".into(), true)
        );
        assert_eq!(client("fd00::1", &["[2001:db8::1]:443"]), ("2001:db8::1".into(), true));
        assert_eq!(client("::ffff:10.1.1.1", &["::ffff:192.0.2.9"]), ("192.0.2.9".into(), true));
    }

    #[test]
    fn a_chain_that_does_not_parse_ends_at_the_last_good_hop() {
        assert_eq!(client("10.1.1.1", &["198.51.100.7, unknown, 10.2.2.2"]), ("10.2.2.2".into(), true));
        assert_eq!(client("10.1.1.1", &[]), ("10.1.1.1".into(), true));
        assert_eq!(client("10.1.1.1", &["198.51.100.7, "]), ("198.51.100.7".into(), true));
    }
}
