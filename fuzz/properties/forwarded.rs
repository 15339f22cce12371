//! What holds for any bytes that stand in `X-Forwarded-For`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use tollgate::http::client_addr::TrustedProxies;

const TRUSTED_PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The client is the peer, or a hop with only trusted hops behind it: never an address that one who
/// isn't trusted could have made up. Each line of `bytes` is a field line.
pub fn names_no_made_up_client(bytes: &[u8]) {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
    let trusted = TrustedProxies::new(networks.to_vec());
    let mut fields = HeaderMap::new();
    for line in bytes.split(|b| *b == b'\n') {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            fields.append("x-forwarded-for", line);
        }
    }

    let client = trusted.client(STRANGER, &fields);
    assert_eq!((client.ip, client.via_trusted), (STRANGER, false));

    let client = trusted.client(TRUSTED_PEER, &fields);
    assert!(client.via_trusted);
    assert!(
        client.ip == TRUSTED_PEER || vouched_for(&trusted, &fields).contains(&client.ip),
        "{} could have been made up: {fields:?}",
        client.ip
    );
}

/// The hops that the trusted proxies themselves have seen: from the right, up to and with the first
/// that isn't one of theirs.
fn vouched_for(trusted: &TrustedProxies, fields: &HeaderMap) -> Vec<IpAddr> {
    let lines: Vec<&[u8]> = fields.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    let list = lines.join(&b","[..]);
    let mut vouched = Vec::new();
    // An empty element is none (RFC 9110 §5.6.1).
    for hop in list.rsplit(|b| *b == b',').filter(|hop| !hop.trim_ascii().is_empty()) {
        let Some(hop) = std::str::from_utf8(hop).ok().and_then(address) else { break };
        vouched.push(hop);
        if !trusted.contains(hop) {
            break;
        }
    }
    vouched
}

fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_ascii();
    let hop = hop.strip_prefix('"').and_then(|hop| hop.strip_suffix('"')).unwrap_or(hop);
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let ip = hop.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| bare.parse::<IpAddr>());
    ip.ok().map(|ip| ip.to_canonical())
}
