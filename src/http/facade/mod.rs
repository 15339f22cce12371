//! An application that knows itself by hosts of its own, as clients see it: under the host that they asked for.
//!
//! What is changed is what nginx's `proxy_redirect`, `proxy_cookie_domain` and `proxy_cookie_path`, and Apache's
//! `ProxyPassReverse`, change: URLs and cookies in fields of responses, and on the way in `Origin` and `Referer`. A URL that
//! names another host than one of these stays as it is, octet for octet.

mod cookie;
mod list;
mod reference;

use std::sync::Arc;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, ORIGIN, REFERER};
use http::{HeaderName, HeaderValue};

use crate::types::{HostName, Scheme, WebHosts};

/// A prefix of paths that clients see, and what the application has in its place. Without slashes at their ends.
#[derive(Debug, Clone)]
struct Prefixes {
    /// As clients see it.
    outer: Box<str>,
    /// As the application does.
    inner: Box<str>,
}

/// An application as one client sees it.
#[derive(Debug, Clone)]
pub struct Facade {
    hosts: Arc<WebHosts>,
    seen: Option<Seen>,
    prefixes: Option<Prefixes>,
}

/// Where the client has found it.
#[derive(Debug, Clone)]
struct Seen {
    scheme: Scheme,
    host: HostName,
    /// The host with its port, unless that is the scheme's.
    authority: String,
}

impl Facade {
    /// The application as the client sees it that asked for this host by this scheme. `None` where the host is only what the client
    /// says, for it was not by the host that its tenant was found: then URLs lose their host, and what the client says of
    /// its origin is not believed.
    #[must_use]
    pub fn new(hosts: Arc<WebHosts>, scheme: Scheme, host: Option<HostName>) -> Self {
        let seen = host.map(|host| {
            let authority = match host.port().filter(|port| *port != scheme.port()) {
                Some(port) => format!("{host}:{port}"),
                None => host.to_string(),
            };
            Seen { scheme, host, authority }
        });
        Self { hosts, seen, prefixes: None }
    }

    /// The same, where one prefix of paths is put in the place of another: `outer` is what clients see, `inner` what the
    /// application does.
    #[must_use]
    pub fn with_prefixes(self, outer: &str, inner: &str) -> Self {
        let [outer, inner] = [outer, inner].map(|prefix| prefix.trim_end_matches('/').into());
        Self { prefixes: Some(Prefixes { outer, inner }), ..self }
    }

    /// What the client says of where it comes from, as the application would.
    pub fn request(&self, fields: &mut HeaderMap) {
        for name in [ORIGIN, REFERER] {
            let http::header::Entry::Occupied(mut lines) = fields.entry(name) else { continue };
            // No page of a client's has it: the application would take it for its own.
            let is_own = |value: &HeaderValue| {
                let named = reference::authority(value.as_bytes());
                named.is_some_and(|named| self.hosts.have(named.scheme, &named.host))
            };
            if lines.iter().any(is_own) {
                match lines.key() == ORIGIN {
                    true => _ = lines.insert(HeaderValue::from_static("null")),
                    false => _ = lines.remove(),
                }
                continue;
            }
            for value in lines.iter_mut() {
                change(value, self.inward(value.as_bytes()));
            }
        }
    }

    /// What the application says of itself, as the client is to see it.
    pub fn response(&self, fields: &mut HeaderMap) {
        let mut hidden: Option<HeaderName> = None;
        let url = |url: &[u8]| self.outward(url);
        for (name, value) in fields.iter_mut() {
            let old = value.as_bytes();
            let new = match name.as_str() {
                "location" | "content-location" => url(old),
                "refresh" => list::refresh(old, &url),
                "link" => list::links(old, &url),
                "set-cookie" => cookie::hosted(old, self.prefixes.as_ref()),
                // An origin can't go without its host.
                "access-control-allow-origin" if self.seen.is_none() => {
                    let of_own = reference::authority(old);
                    hidden = hidden
                        .or(of_own.filter(|of| self.hosts.have(of.scheme, &of.host)).map(|_| name.clone()));
                    None
                }
                "access-control-allow-origin" => self.outward(old),
                _ => None,
            };
            change(value, new);
        }
        if hidden.is_some() {
            fields.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        }
    }
}

fn change(value: &mut HeaderValue, new: Option<Vec<u8>>) {
    // What came as octets of a field can stand in one.
    if let Some(new) = new.and_then(|new| HeaderValue::try_from(new).ok()) {
        *value = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::WebHost;

    fn facade(host: Option<&str>) -> Facade {
        let hosts =
            ["app.internal:8080", "https://app.example.com"].map(|host| WebHost::parse(host).unwrap());
        let host = host.map(|host| HostName::parse(host.as_bytes()).unwrap());
        Facade::new(Arc::new(WebHosts::new(hosts.to_vec())), Scheme::Http, host)
    }

    fn through(facade: &Facade, name: &'static str, value: &'static str) -> Option<String> {
        let mut fields = HeaderMap::new();
        fields.insert(name, HeaderValue::from_static(value));
        let facade = facade.clone().with_prefixes("/api/reports", "/reports/");
        match name {
            "origin" | "referer" => facade.request(&mut fields),
            _ => facade.response(&mut fields),
        }
        fields.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_application_is_seen_under_the_host_that_was_asked_for() {
        let facade = facade(Some("WWW.acme.test:8443"));
        for (name, value, seen) in [
            ("location", "http://app.internal:8080/reports/x", "http://www.acme.test:8443/api/reports/x"),
            ("location", "https://APP.example.com?a=b#c", "http://www.acme.test:8443?a=b#c"),
            ("content-location", "/reports", "/api/reports"),
            ("access-control-allow-origin", "http://app.internal:8080", "http://www.acme.test:8443"),
            ("link", "<//app.internal:8080/a>; rel=next", "<//www.acme.test:8443/a>; rel=next"),
            ("refresh", "5; url=http://app.internal:8080/", "5; url=http://www.acme.test:8443/"),
            ("set-cookie", "a=b; Domain=.example.com; Path=/reports/", "a=b; Path=/api/reports/"),
            ("origin", "http://www.acme.test:8443", "http://app.internal:8080"),
            ("referer", "http://www.acme.test:8443/api/reports/?q", "http://app.internal:8080/reports/?q"),
        ] {
            assert_eq!(through(&facade, name, value).as_deref(), Some(seen), "{name}: {value}");
        }
    }

    #[test]
    fn what_names_another_host_stays() {
        let facade = facade(Some("www.acme.test"));
        for (name, value) in [
            ("location", "http://app.internal/x"),
            ("location", "http://app.example.com/x"),
            ("location", "http://app.internal:8080@evil.test/"),
            ("location", "http://user@app.internal:8080/"),
            ("location", "http://app.internal:8080\\@evil.test/"),
            ("location", "http://app.internal:8080.evil.test/"),
            ("location", "mailto:x@app.example.com"),
            ("location", "reports/x"),
            ("location", "//other.test/reports"),
            ("location", "/\\other.test/reports"),
            ("access-control-allow-origin", "*"),
            ("origin", "https://www.acme.test"),
            ("origin", "http://www.acme.test:81"),
            ("origin", "null"),
            ("referer", "http://www.acme.test.evil.test/"),
            ("x-url", "http://app.internal:8080/"),
        ] {
            assert_eq!(through(&facade, name, value).as_deref(), Some(value), "{name}: {value}");
        }
    }

    #[test]
    fn a_host_that_is_only_said_stands_in_no_answer() {
        let facade = facade(None);
        for (name, value, seen) in [
            ("location", "http://app.internal:8080/x?y", Some("/x?y")),
            ("location", "http://app.internal:8080", Some("/")),
            ("location", "http://app.internal:8080?y", Some("/?y")),
            // A path of two slashes would be another host.
            ("location", "http://app.internal:8080//evil.test/", Some("/.//evil.test/")),
            ("location", "http://app.internal:8080/\\evil.test/", Some("/./\\evil.test/")),
            ("link", "<https://app.example.com/a>, </b>", Some("</a>, </b>")),
            ("access-control-allow-origin", "http://app.internal:8080", None),
            ("access-control-allow-origin", "https://b.test", Some("https://b.test")),
            ("set-cookie", "a=b; domain=app.internal", Some("a=b")),
            ("origin", "http://www.acme.test", Some("http://www.acme.test")),
        ] {
            assert_eq!(through(&facade, name, value).as_deref(), seen, "{name}: {value}");
        }
    }
}
