//! Origins of the Web (RFC 6454): where a page comes from, and which of them are meant.

use std::fmt;

use super::{HostName, InvalidHost};

/// Which origins are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// Every one.
    Any,
    /// `null`: that of pages which have none of their own, like files and sandboxed frames.
    Null,
    /// This one.
    Exact(Place),
    /// Those whose host stands below this one's, at any depth.
    Below(Place),
}

/// Scheme, host and port. What is the same compares equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    scheme: Box<str>,
    host: Box<str>,
    /// `None`: the scheme's own.
    port: Option<u16>,
}

/// An origin as a client says it, taken apart once.
#[derive(Debug, Clone)]
pub struct SaidOrigin<'o> {
    scheme: &'o str,
    /// `None`: it is `null`.
    host: Option<HostName>,
}

/// Why a text is no pattern of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOriginPattern {
    /// It doesn't begin with a scheme.
    #[error("it has no scheme")]
    Scheme,
    /// Something follows the host.
    #[error("it goes on behind the host")]
    Path,
    /// A `*` that is not the whole first label, or that stands for a whole top-level domain.
    #[error("`*` can only be the whole first label, of a domain below a top-level one")]
    Wildcard,
    /// What should be the host is none.
    #[error(transparent)]
    Host(#[from] InvalidHost),
}

impl OriginPattern {
    /// Parses `*`, `null`, `https://app.example.com[:port]` or `https://*.example.com[:port]`.
    ///
    /// # Errors
    /// [`InvalidOriginPattern`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidOriginPattern> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let (scheme, rest) = split(text).ok_or(InvalidOriginPattern::Scheme)?;
        if rest.contains(['/', '?', '#']) {
            return Err(InvalidOriginPattern::Path);
        }
        let (below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.contains('*') {
            return Err(InvalidOriginPattern::Wildcard);
        }
        let host = HostName::parse(rest.as_bytes())?;
        let scheme = scheme.to_ascii_lowercase();
        let port = host.port().filter(|port| usual_port(&scheme) != Some(*port));
        let place = Place { scheme: scheme.into(), host: host.as_str().into(), port };
        match below {
            true if !place.host.contains('.') => Err(InvalidOriginPattern::Wildcard),
            true => Ok(Self::Below(place)),
            false => Ok(Self::Exact(place)),
        }
    }

    /// Whether an origin is one of those that are meant.
    #[must_use]
    pub fn admits(&self, origin: &SaidOrigin<'_>) -> bool {
        let same_but_host = |place: &Place, host: &HostName| {
            let port = host.port().filter(|port| usual_port(&place.scheme) != Some(*port));
            place.scheme.eq_ignore_ascii_case(origin.scheme) && place.port == port
        };
        match (self, &origin.host) {
            (Self::Any, _) | (Self::Null, None) => true,
            (Self::Exact(place), Some(host)) => *place.host == *host.as_str() && same_but_host(place, host),
            (Self::Below(place), Some(host)) => {
                let above =
                    host.as_str().strip_suffix(&*place.host).and_then(|above| above.strip_suffix('.'));
                above.is_some_and(|above| !above.is_empty()) && same_but_host(place, host)
            }
            _ => false,
        }
    }
}

impl<'o> SaidOrigin<'o> {
    /// The origin of an `Origin` field (RFC 6454 §7). `None` where it is none, or several.
    #[must_use]
    pub fn parse(value: &'o [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        if text == "null" {
            return Some(Self { scheme: "", host: None });
        }
        let (scheme, host) = split(text)?;
        // To a browser a host with a dot at its end is another.
        if host.ends_with('.') || host.contains(".:") {
            return None;
        }
        Some(Self { scheme, host: Some(HostName::parse(host.as_bytes()).ok()?) })
    }
}

/// The scheme (RFC 3986 §3.1), and what follows its `://`.
fn split(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(fits);
    is_scheme.then_some((scheme, rest))
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (below, Place { scheme, host, port }) = match self {
            Self::Any => return f.write_str("*"),
            Self::Null => return f.write_str("null"),
            Self::Exact(place) => ("", place),
            Self::Below(place) => ("*.", place),
        };
        write!(f, "{scheme}://{below}{host}")?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(pattern: &str, origin: &str) -> bool {
        let origin = SaidOrigin::parse(origin.as_bytes());
        origin.is_some_and(|origin| OriginPattern::parse(pattern).unwrap().admits(&origin))
    }

    #[test]
    fn origins_compare_by_scheme_host_and_port() {
        for (pattern, origin, expected) in [
            ("https://app.acme.test", "https://app.acme.test", true),
            ("HTTPS://App.acme.test:443", "https://app.acme.test", true),
            ("https://app.acme.test", "https://APP.acme.test:443", true),
            ("https://app.acme.test", "http://app.acme.test", false),
            ("https://app.acme.test", "https://app.acme.test:8443", false),
            ("https://app.acme.test:8443", "https://app.acme.test", false),
            ("https://app.acme.test", "https://app.acme.test.evil.test", false),
            ("https://app.acme.test", "https://app.acme.test.", false),
            ("https://app.acme.test", "https://app.acme.test/", false),
            ("https://app.acme.test", "https://u@app.acme.test", false),
            ("https://app.acme.test", "https://a.test https://app.acme.test", false),
            ("https://*.acme.test", "https://app.acme.test", true),
            ("https://*.acme.test", "https://a.b.acme.test", true),
            ("https://*.acme.test", "https://acme.test", false),
            ("https://*.acme.test", "https://evilacme.test", false),
            ("https://*.acme.test", "http://app.acme.test", false),
            ("https://*.acme.test:8443", "https://app.acme.test:8443", true),
            ("chrome-extension://abcdef", "chrome-extension://abcdef", true),
            ("http://[::1]:3000", "http://[0:0::1]:3000", true),
            ("*", "https://whoever.test", true),
            ("*", "null", true),
            ("null", "null", true),
            ("https://app.acme.test", "null", false),
            ("null", "https://null", false),
        ] {
            assert_eq!(admits(pattern, origin), expected, "{pattern}: {origin}");
        }
    }

    #[test]
    fn a_pattern_says_what_is_wrong_with_it() {
        for (text, why) in [
            ("app.acme.test", InvalidOriginPattern::Scheme),
            ("https://app.acme.test/", InvalidOriginPattern::Path),
            ("https://app.*.test", InvalidOriginPattern::Wildcard),
            ("https://*.test", InvalidOriginPattern::Wildcard),
            ("https://*", InvalidOriginPattern::Wildcard),
            ("https://", InvalidOriginPattern::Host(InvalidHost::Empty)),
        ] {
            assert_eq!(OriginPattern::parse(text), Err(why), "{text}");
        }
        for text in ["*", "null", "https://a.test", "https://*.a.test:8443", "app+x://local"] {
            assert_eq!(OriginPattern::parse(text).unwrap().to_string(), text);
        }
    }
}
