//! Values that are written as one text and parsed at once.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderName, Method};
use ipnet::{IpNet, Ipv4Net};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::config::document::{Domain, HostPattern};
use crate::types::{BindAddress, TenantId};

/// A value that is made from a text.
pub(in crate::config) trait FromText: Sized {
    /// What it is, for messages: "an address".
    const WHAT: &'static str;

    /// Parses it. The error is a message, and a hint on a second line.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// A value written as a text.
#[derive(Clone, Debug)]
pub(in crate::config) struct Text<T>(pub T);

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<T>(PhantomData<T>);

        impl<T: FromText> Visitor<'_> for TextVisitor<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::WHAT)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<T>, E> {
                T::from_text(text).map(Text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

impl<T: FromText> JsonSchema for Text<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl FromText for SocketAddr {
    const WHAT: &'static str = "an address with a port, like 0.0.0.0:8080";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            let what = "write an IP address and a port, like 0.0.0.0:8080, 127.0.0.1:9900 or [::]:8080";
            match text.rsplit_once(':') {
                Some(("localhost", port)) => {
                    format!("`{text}` has a host name; a listener needs an address\nwrite 127.0.0.1:{port} or [::1]:{port}")
                }
                Some(("" | "*", port)) => {
                    format!("`{text}` has no address\nwrite 0.0.0.0:{port} for every IPv4 address, [::]:{port} for every IPv6 one, or a list of both")
                }
                Some((host, _)) if host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':') => {
                    format!("`{text}` has a host name; a listener needs an address\n{what}")
                }
                None if text.parse::<u16>().is_ok() => {
                    format!("`{text}` has no address\nwrite 0.0.0.0:{text} for every IPv4 address, or 127.0.0.1:{text} for this machine only")
                }
                None if text.parse::<IpAddr>().is_ok() => format!("`{text}` has no port\n{what}"),
                _ => format!("`{text}` is not an address with a port\n{what}"),
            }
        })
    }
}

impl FromText for BindAddress {
    const WHAT: &'static str = "an address with a port, like 0.0.0.0:8080, or unix:PATH";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse_special(text).unwrap_or_else(|| SocketAddr::from_text(text).map(Self::Inet))
    }
}

/// The mode of a file, in octal digits.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct FileMode(pub u32);

impl FromText for FileMode {
    const WHAT: &'static str = "the mode of a file, like \"0660\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && !text.starts_with('+'));
        mode.map(Self).ok_or_else(|| {
            format!("`{text}` is no mode of a file\nwrite octal digits, like \"0660\" for the owner and the group, or \"0666\" for everybody")
        })
    }
}

/// Who may be a trusted proxy.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Proxy {
    Network(IpNet),
    /// Whoever comes over a Unix socket.
    Unix,
}

impl FromText for Proxy {
    const WHAT: &'static str = "an address or network, like 10.0.0.0/8";

    fn from_text(text: &str) -> Result<Self, String> {
        if text == "unix" { Ok(Self::Unix) } else { Network::from_text(text).map(|net| Self::Network(net.0)) }
    }
}

/// A network, or one address.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Network(pub IpNet);

impl FromText for Network {
    const WHAT: &'static str = "an address or network, like 10.0.0.0/8";

    fn from_text(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| {
                format!("`{text}` is not an address or network\nwrite it like 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32")
            })?,
        };
        Ok(Self(canonical(net.trunc())))
    }
}

/// A client that comes over IPv4 is known by its IPv4 address, also on a socket for both: a network in the
/// mapped notation (`::ffff:10.0.0.0/104`, RFC 4291 §2.5.5.2) means that one.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    match mapped.and_then(|(v4, prefix_len)| Ipv4Net::new(v4, prefix_len).ok()) {
        Some(v4) => IpNet::V4(v4),
        None => net,
    }
}

impl FromText for HostPattern {
    const WHAT: &'static str = "a host pattern, like \"{tenant}.app.example.com\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("`{text}` is no host pattern: {error}"))
    }
}

impl FromText for Domain {
    const WHAT: &'static str = "a domain, like www.example.com";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("`{text}` is no domain: {error}"))
    }
}

impl FromText for TenantId {
    const WHAT: &'static str = "a tenant id";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| {
            let lower = text.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
            match Self::check(&lower) {
                Ok(()) if lower != text => format!("`{text}` is no tenant id: {error}\nwrite `{lower}`"),
                _ => format!("`{text}` is no tenant id: {error}\nwrite 1 to 63 lower-case letters, digits and inner '-'"),
            }
        })
    }
}

impl FromText for HeaderName {
    const WHAT: &'static str = "the name of a header";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_bytes(text.as_bytes()).map_err(|_| {
            format!("`{text}` is no name of a header\nwrite letters, digits and '-', like X-Tenant-Id")
        })
    }
}

impl FromText for Method {
    const WHAT: &'static str = "a method";

    fn from_text(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        match Self::from_bytes(text.as_bytes()) {
            Ok(method) if text == upper => Ok(method),
            // Methods are case-sensitive (RFC 9110 §9.1): `get` would match nothing that is sent.
            _ => Err(format!("`{text}` is no method\nwrite it in capitals, like GET or POST")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_network_is_the_ipv4_network() {
        let network = |text: &str| Network::from_text(text).map(|network| network.0.to_string());
        assert_eq!(network("::ffff:10.0.0.0/104").as_deref(), Ok("10.0.0.0/8"));
        assert_eq!(network("::ffff:192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
        assert_eq!(network("::/0").as_deref(), Ok("::/0"));
        assert_eq!(network("2001:db8::1/32").as_deref(), Ok("2001:db8::/32"));
    }
}
