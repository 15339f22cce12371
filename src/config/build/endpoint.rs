//! Endpoints: `http://HOST:PORT`.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::document::{Endpoint, EndpointHost};
use crate::types::HostName;

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InvalidEndpoint {
    /// It will be one in a later version.
    NotSupported(String),
    /// A message, and a hint on a second line.
    Invalid(String),
}

/// Parses an endpoint.
pub(super) fn parse(text: &str) -> Result<Endpoint, InvalidEndpoint> {
    let later = |what: &str| Err(InvalidEndpoint::NotSupported(format!("an endpoint {what}")));
    let Some((scheme, rest)) = text.split_once("://") else {
        if text.starts_with("unix:") {
            return later("on a Unix socket");
        }
        return Err(invalid(text, "has no scheme", &format!("write http://{text}")));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => authority(text, rest),
        "https" => later("over TLS (https)"),
        "h2c" | "grpc" => later("over h2c"),
        "dns+http" | "dns+https" => later("found by DNS (dns+http)"),
        _ => Err(invalid(text, &format!("has the unknown scheme `{scheme}`"), "write http://HOST:PORT")),
    }
}

fn authority(text: &str, rest: &str) -> Result<Endpoint, InvalidEndpoint> {
    if rest.contains('?') {
        return Err(invalid(text, "has a query", "remove what follows the port"));
    }
    if rest.contains('#') {
        return Err(invalid(text, "has a fragment", "remove what follows the port"));
    }
    let authority = match rest.split_once('/') {
        Some((authority, "")) => {
            return Err(invalid(text, "ends in a slash", &format!("write http://{authority}")));
        }
        Some((authority, _)) => {
            return Err(invalid(
                text,
                "has a path",
                &format!("write http://{authority}: paths belong to routes"),
            ));
        }
        None => rest,
    };
    if authority.contains('@') {
        // The text is not shown: what stands before the `@` is a password.
        return Err(InvalidEndpoint::Invalid(
            "an endpoint can't have a user or password\nset an Authorization header with `request_headers` instead".into(),
        ));
    }
    if authority.ends_with(':') {
        return Err(invalid(text, "has no port after the colon", "write http://HOST:PORT"));
    }
    let host = HostName::parse(authority.as_bytes())
        .map_err(|error| invalid(text, &format!("is no endpoint: {error}"), "write http://HOST:PORT"))?;
    let name = host.as_str();
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let address = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse().ok(),
    };
    let port = host.port().unwrap_or(80);
    let host = address.map_or_else(|| EndpointHost::Name(name.to_owned()), EndpointHost::Ip);
    Ok(Endpoint { host, port })
}

fn invalid(text: &str, what: &str, hint: &str) -> InvalidEndpoint {
    InvalidEndpoint::Invalid(format!("`{text}` {what}\n{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn http_endpoints_parse() {
        let shown = |text: &str| parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(shown("http://127.0.0.1:9001").as_deref(), Ok("http://127.0.0.1:9001"));
        assert_eq!(shown("HTTP://App.Internal").as_deref(), Ok("http://app.internal:80"));
        assert_eq!(shown("http://[::1]:9001").as_deref(), Ok("http://[::1]:9001"));
    }

    #[test]
    fn what_later_versions_take_is_told_from_what_none_will() {
        for text in ["https://a:8443", "unix:/run/app.sock", "dns+http://app:80"] {
            assert!(matches!(parse(text), Err(InvalidEndpoint::NotSupported(_))), "{text}");
        }
        for text in [
            "a:80",
            "http://a/b",
            "http://a/",
            "http://a?x",
            "http://u:p@a",
            "http://",
            "http://a:",
            "http://a:0",
            "ftp://a",
        ] {
            assert!(matches!(parse(text), Err(InvalidEndpoint::Invalid(_))), "{text}");
        }
        let Err(InvalidEndpoint::Invalid(message)) = parse("http://user:hunter2@a") else { panic!() };
        assert!(!message.contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_again(text in "(http://)?[a-z0-9.:\\[\\]-]{0,20}") {
            if let Ok(endpoint) = parse(&text) {
                prop_assert_eq!(parse(&endpoint.to_string()), Ok(endpoint));
            }
        }
    }
}
