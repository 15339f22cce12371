//! Endpoints: `http://HOST:PORT` and its kin.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use crate::config::document::{EndpointHost, EndpointTarget};
use crate::types::HostName;
use crate::types::Scheme;

/// The longest path of a Unix socket, in bytes: one less than `sun_path` holds on Linux (unix(7)).
const UNIX_PATH_MAX: usize = 107;

/// Parses an endpoint. An error is a message, and a hint on a second line.
pub(super) fn parse(text: &str) -> Result<EndpointTarget, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return match text.strip_prefix("unix:") {
            Some(path) => unix(text, path),
            None => Err(invalid(text, "has no scheme", &format!("write http://{text}"))),
        };
    };
    let written = scheme;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => host(text, written, rest, Scheme::Http),
        "https" => host(text, written, rest, Scheme::Https),
        "dns+http" => dns(text, written, rest, Scheme::Http),
        "dns+https" => dns(text, written, rest, Scheme::Https),
        "unix" => unix(text, rest),
        "h2c" | "grpc" => {
            let hint = "write http://HOST:PORT, and `protocol: h2` at the pool";
            Err(invalid(text, "has a protocol for its scheme", hint))
        }
        "grpcs" | "h2" => {
            let hint = "write https://HOST:PORT, and `protocol: h2` at the pool";
            Err(invalid(text, "has a protocol for its scheme", hint))
        }
        _ => Err(invalid(
            text,
            &format!("has the unknown scheme `{scheme}`"),
            "write http://HOST:PORT, or https, dns+http, dns+https, unix:/PATH",
        )),
    }
}

fn host(text: &str, written: &str, rest: &str, scheme: Scheme) -> Result<EndpointTarget, String> {
    let (host, port) = authority(text, written, rest)?;
    Ok(EndpointTarget::Host { scheme, host, port: port.unwrap_or(scheme.port()) })
}

fn dns(text: &str, written: &str, rest: &str, scheme: Scheme) -> Result<EndpointTarget, String> {
    match authority(text, written, rest)? {
        (EndpointHost::Name(name), port) => {
            Ok(EndpointTarget::Dns { scheme, name, port: port.unwrap_or(scheme.port()) })
        }
        (EndpointHost::Ip(_), _) => {
            let hint = format!("write {}://{rest}", scheme.as_str());
            Err(invalid(text, "has an address, which no DNS can resolve", &hint))
        }
    }
}

fn unix(text: &str, path: &str) -> Result<EndpointTarget, String> {
    let wrong = if path.is_empty() {
        Some(("has no path", "write unix:/PATH, like unix:/run/app.sock".to_owned()))
    } else if !path.starts_with('/') {
        Some(("has no absolute path", format!("write unix:/{path}")))
    } else if path.starts_with("//") {
        Some(("begins with too many slashes", format!("write unix:/{}", path.trim_start_matches('/'))))
    } else if path.contains('\0') {
        Some(("has a zero byte", "remove it".to_owned()))
    } else if path.len() > UNIX_PATH_MAX {
        Some(("is too long", format!("a socket's path has at most {UNIX_PATH_MAX} bytes")))
    } else {
        None
    };
    match wrong {
        Some((what, hint)) => Err(invalid(text, what, &hint)),
        None => Ok(EndpointTarget::Unix(PathBuf::from(path))),
    }
}

/// The host and port. `scheme` is what was written before, for hints.
fn authority(text: &str, scheme: &str, rest: &str) -> Result<(EndpointHost, Option<u16>), String> {
    if rest.contains('?') {
        return Err(invalid(text, "has a query", "remove what follows the port"));
    }
    if rest.contains('#') {
        return Err(invalid(text, "has a fragment", "remove what follows the port"));
    }
    let authority = match rest.split_once('/') {
        Some((authority, "")) => {
            return Err(invalid(text, "ends in a slash", &format!("write {scheme}://{authority}")));
        }
        Some((authority, _)) => {
            let hint = format!("write {scheme}://{authority}: paths belong to routes");
            return Err(invalid(text, "has a path", &hint));
        }
        None => rest,
    };
    if authority.contains('@') {
        // The text is not shown: what stands before the `@` is a password.
        return Err(
            "an endpoint can't have a user or password\nset an Authorization header with `request_headers` instead"
                .to_owned(),
        );
    }
    let write = format!("write {scheme}://HOST:PORT");
    if authority.ends_with(':') {
        return Err(invalid(text, "has no port after the colon", &write));
    }
    let host = HostName::parse(authority.as_bytes())
        .map_err(|error| invalid(text, &format!("is no endpoint: {error}"), &write))?;
    let name = host.as_str();
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let address = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse().ok(),
    };
    let port = host.port();
    Ok((address.map_or_else(|| EndpointHost::Name(name.to_owned()), EndpointHost::Ip), port))
}

fn invalid(text: &str, what: &str, hint: &str) -> String {
    format!("`{text}` {what}\n{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn endpoints_of_every_kind_parse() {
        for (text, shown) in [
            ("http://127.0.0.1:9001", "http://127.0.0.1:9001"),
            ("HTTP://App.Internal", "http://app.internal:80"),
            ("http://[::1]:9001", "http://[::1]:9001"),
            ("https://App.internal", "https://app.internal:443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("dns+http://app.svc.local:8080", "dns+http://app.svc.local:8080"),
            ("DNS+https://app.svc.local", "dns+https://app.svc.local:443"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(parse(text).map(|target| target.to_string()).as_deref(), Ok(shown), "{text}");
        }
        assert!(parse("https://a").unwrap().is_tls() && parse("dns+https://a").unwrap().is_tls());
        assert!(!parse("http://a").unwrap().is_tls() && !parse("unix:/a").unwrap().is_tls());
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("a:80", "write http://a:80"),
            ("http://a/b", "write http://a: paths belong to routes"),
            ("https://a/", "write https://a"),
            ("http://a?x", "remove what follows the port"),
            ("http://", "write http://HOST:PORT"),
            ("dns+http://a:", "write dns+http://HOST:PORT"),
            ("http://a:0", "write http://HOST:PORT"),
            ("ftp://a", "write http://HOST:PORT, or https, dns+http, dns+https, unix:/PATH"),
            ("h2c://a", "write http://HOST:PORT, and `protocol: h2` at the pool"),
            ("grpcs://a", "write https://HOST:PORT, and `protocol: h2` at the pool"),
            ("dns+http://127.0.0.1:80", "write http://127.0.0.1:80"),
            ("dns+https://[::1]", "write https://[::1]"),
            ("unix:", "write unix:/PATH, like unix:/run/app.sock"),
            ("unix:run/app.sock", "write unix:/run/app.sock"),
            ("unix://run/app.sock", "write unix:/run/app.sock"),
            ("unix:////run/app.sock", "write unix:/run/app.sock"),
        ] {
            let message = parse(text).unwrap_err();
            assert_eq!(message.split_once('\n').map(|(_, hint)| hint), Some(hint), "{text}");
        }
        assert!(parse(&format!("unix:/{}", "a".repeat(107))).is_err());
        assert!(parse(&format!("unix:/{}", "a".repeat(106))).is_ok());
    }

    #[test]
    fn a_password_is_not_shown() {
        for text in ["http://user:hunter2@a", "dns+https://user:hunter2@a:80"] {
            let message = parse(text).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_again(
            text in "((dns\\+)?https?://[a-z0-9.:\\[\\]-]{1,20}|unix:(//)?[a-z0-9./-]{0,20}|[a-z0-9.:/-]{0,20})",
        ) {
            if let Ok(target) = parse(&text) {
                prop_assert_eq!(parse(&target.to_string()), Ok(target));
            }
        }
    }
}
