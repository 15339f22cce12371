//! Hosts of the Web as somebody names them: with a port where it is not the usual one, and a scheme where only that is meant.

use std::fmt;

use super::{HostName, InvalidHost};

/// The scheme of a URL that is fetched by HTTP (RFC 9110 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In clear text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is written.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme and what follows its `://`, of a URL that has one of these schemes (in any case: RFC 3986 §3.1).
    #[must_use]
    pub fn split(url: &[u8]) -> Option<(Self, &[u8])> {
        let of = |scheme: Self| {
            let name = scheme.as_str().as_bytes();
            let (start, rest) = url.split_at_checked(name.len())?;
            Some((scheme, rest.strip_prefix(b"://")?)).filter(|_| start.eq_ignore_ascii_case(name))
        };
        of(Self::Https).or_else(|| of(Self::Http))
    }
}

/// A host: `app.internal`, `app.internal:8080`, `https://app.example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebHost {
    scheme: Option<Scheme>,
    name: Box<str>,
    port: Option<u16>,
}

/// Why a text is no such host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebHost {
    /// Something follows the host.
    #[error("it goes on behind the host")]
    Path,
    /// What should be the host is none.
    #[error(transparent)]
    Host(#[from] InvalidHost),
}

impl WebHost {
    /// Parses `[("http" | "https") "://"] host [":" port]`. A port that is the scheme's own is as none.
    ///
    /// # Errors
    /// [`InvalidWebHost`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidWebHost> {
        let (scheme, rest) = match Scheme::split(text.as_bytes()) {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text.as_bytes()),
        };
        if rest.contains(&b'/') {
            return Err(InvalidWebHost::Path);
        }
        let host = HostName::parse(rest)?;
        let port = host.port().filter(|port| scheme.is_none_or(|scheme| scheme.port() != *port));
        Ok(Self { scheme, name: host.as_str().into(), port })
    }

    /// The scheme, where only that is meant.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The host with its port, as a `Host` field has it (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.name),
            None => (*self.name).to_owned(),
        }
    }

    /// Whether a URL of this scheme names this host; `None`: one that leaves its scheme to the page that it stands on.
    #[must_use]
    pub fn is(&self, scheme: Option<Scheme>, host: &HostName) -> bool {
        if *self.name != *host.as_str() {
            return false;
        }
        let Some(scheme) = scheme.or(self.scheme) else { return self.port == host.port() };
        let of = |port: Option<u16>| port.unwrap_or(scheme.port());
        self.scheme.is_none_or(|own| own == scheme) && of(self.port) == of(host.port())
    }
}

/// Hosts by which one application knows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebHosts(Box<[WebHost]>);

impl WebHosts {
    /// These hosts. The first is the one to call it by.
    #[must_use]
    pub fn new(hosts: Vec<WebHost>) -> Self {
        Self(hosts.into())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one to call it by.
    #[must_use]
    pub fn first(&self) -> Option<&WebHost> {
        self.0.first()
    }

    /// Whether a URL that begins like this names one of them; see [`WebHost::is`].
    #[must_use]
    pub fn have(&self, scheme: Option<Scheme>, host: &HostName) -> bool {
        self.0.iter().any(|own| own.is(scheme, host))
    }
}

impl fmt::Display for WebHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.as_str())?;
        }
        f.write_str(&self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_or_without_scheme_and_port() {
        for (text, shown) in [
            ("App.Internal", "app.internal"),
            ("app.internal:8080", "app.internal:8080"),
            ("HTTPS://app.example.com:443", "https://app.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(WebHost::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "a b", "http://", "http://a/", "a/b", "ftp://a", "http://u@a", "a:0"] {
            assert!(WebHost::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_compare_as_the_scheme_has_them() {
        let is = |own: &str, scheme, host: &str| {
            WebHost::parse(own).unwrap().is(scheme, &HostName::parse(host.as_bytes()).unwrap())
        };
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        for (own, scheme, host, expected) in [
            ("a.test", http, "a.test:80", true),
            ("a.test", https, "A.test:443", true),
            ("a.test", https, "a.test:80", false),
            ("a.test", http, "b.test", false),
            ("a.test:8080", https, "a.test:8080", true),
            ("a.test:8080", http, "a.test", false),
            ("https://a.test", http, "a.test", false),
            ("https://a.test", None, "a.test", true),
            ("a.test", None, "a.test", true),
            ("a.test", None, "a.test:80", false),
        ] {
            assert_eq!(is(own, scheme, host), expected, "{own} {scheme:?} {host}");
        }
    }
}
