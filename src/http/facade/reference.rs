//! URLs and paths in fields (RFC 3986 §4.1).

use super::{Facade, Prefixes, Seen};
use crate::types::{HostName, Scheme};

/// What a URL begins with.
pub(super) struct Authority<'u> {
    /// `None`: it leaves it to the page that it stands on.
    pub(super) scheme: Option<Scheme>,
    pub(super) host: HostName,
    /// What follows: a path, a query, a fragment or nothing.
    rest: &'u [u8],
}

/// The host of a URL that has one. `None` also where browsers might read another from it: with user info, a backslash, or
/// octets that no host has.
pub(super) fn authority(url: &[u8]) -> Option<Authority<'_>> {
    let (scheme, after) = match Scheme::split(url) {
        Some((scheme, after)) => (Some(scheme), after),
        None => (None, url.strip_prefix(b"//")?),
    };
    let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(after.len());
    let (host, rest) = after.split_at_checked(end)?;
    Some(Authority { scheme, host: HostName::parse(host).ok()?, rest })
}

impl Facade {
    /// A URL or path of the application's, as the client knows it; `None`: it stays.
    pub(super) fn outward(&self, url: &[u8]) -> Option<Vec<u8>> {
        let prefixes = self.prefixes.as_ref();
        let swap = |path: &[u8]| prefixes.and_then(|Prefixes { outer, inner }| swapped(path, inner, outer));
        if is_path(url) {
            return swap(url).map(rooted);
        }
        let Authority { scheme, host, rest } = authority(url)?;
        if !self.hosts.have(scheme, &host) {
            return None;
        }
        let rest = swap(rest).unwrap_or_else(|| rest.to_owned());
        Some(match &self.seen {
            Some(seen) => seen.url(scheme.map(|_| seen.scheme), &rest),
            None => rooted(rest),
        })
    }

    /// A URL that the client knows, as the application does; `None`: it stays.
    pub(super) fn inward(&self, url: &[u8]) -> Option<Vec<u8>> {
        let seen = self.seen.as_ref()?;
        let Authority { scheme, host, rest } = authority(url)?;
        let of = |host: &HostName| host.port().unwrap_or(seen.scheme.port());
        if scheme != Some(seen.scheme) || host != seen.host || of(&host) != of(&seen.host) {
            return None;
        }
        let own = self.hosts.first()?;
        let prefixes = self.prefixes.as_ref();
        let swapped = prefixes.and_then(|Prefixes { outer, inner }| swapped(rest, outer, inner));
        let scheme = own.scheme().unwrap_or(seen.scheme).as_str();
        let mut url = format!("{scheme}://{}", own.authority()).into_bytes();
        url.extend_from_slice(swapped.as_deref().unwrap_or(rest));
        Some(url)
    }
}

impl Seen {
    fn url(&self, scheme: Option<Scheme>, rest: &[u8]) -> Vec<u8> {
        let mut url = Vec::with_capacity(self.authority.len() + rest.len() + 8);
        if let Some(scheme) = scheme {
            url.extend_from_slice(scheme.as_str().as_bytes());
            url.push(b':');
        }
        url.extend_from_slice(b"//");
        url.extend_from_slice(self.authority.as_bytes());
        url.extend_from_slice(rest);
        url
    }
}

/// A path of the same host: two slashes begin another host. To browsers a backslash is one, and tabs are not there (WHATWG
/// URL §4.4).
fn is_path(url: &[u8]) -> bool {
    let Some(rest) = url.strip_prefix(b"/") else { return false };
    !matches!(rest.iter().find(|byte| **byte != b'\t'), Some(b'/' | b'\\'))
}

/// Text that is read as a path of the same host (RFC 3986 §4.2; WHATWG URL §4.5 writes it like this, too).
fn rooted(mut path: Vec<u8>) -> Vec<u8> {
    let start: &[u8] = match path.first() {
        Some(b'/') if is_path(&path) => b"",
        Some(b'/') => b"/.",
        _ => b"/",
    };
    path.splice(0..0, start.iter().copied());
    path
}

/// A path (and what follows it) with another prefix; `None` where it doesn't have this one.
pub(super) fn swapped(path: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(from.as_bytes())?;
    if !matches!(rest.first(), None | Some(b'/' | b'?' | b'#')) {
        return None;
    }
    // What names no path at all is none that could have a prefix.
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut changed = Vec::with_capacity(to.len() + rest.len() + 1);
    changed.extend_from_slice(to.as_bytes());
    if changed.is_empty() && rest.first() != Some(&b'/') {
        changed.push(b'/');
    }
    changed.extend_from_slice(rest);
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{WebHost, WebHosts};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        /// Where the host that is asked for is not believed, and whatever an application can be made to redirect to.
        #[test]
        fn no_url_of_the_application_becomes_one_of_another_host(
            rest in "[/\\\\?#.\ta@:%-]{0,12}",
            inner in prop::sample::select(vec!["", "/a"]),
            outer in prop::sample::select(vec!["", "/b"]),
            is_absolute in any::<bool>(),
        ) {
            let host = WebHost::parse("app.internal:8080").unwrap();
            let facade = Facade::new(Arc::new(WebHosts::new(vec![host])), Scheme::Http, None);
            let facade = facade.with_prefixes(outer, inner);
            let start = if is_absolute { "http://app.internal:8080" } else { "" };
            let url = format!("{start}{inner}{rest}");
            if let Some(seen) = facade.outward(url.as_bytes()) {
                prop_assert!(is_path(&seen), "{url:?} is seen as {:?}", String::from_utf8_lossy(&seen));
            }
        }
    }

    #[test]
    fn a_prefix_is_swapped_at_its_end_only() {
        let swap = |path: &str, from: &str, to: &str| {
            swapped(path.as_bytes(), from, to).map(|path| String::from_utf8(path).unwrap())
        };
        assert_eq!(swap("/r/x?y", "/r", "/api/r").as_deref(), Some("/api/r/x?y"));
        assert_eq!(swap("/r?y", "/r", "").as_deref(), Some("/?y"));
        assert_eq!(swap("/r", "/r", "").as_deref(), Some("/"));
        assert_eq!(swap("/rest", "/r", "/api"), None);
        assert_eq!(swap("/x", "", "/api").as_deref(), Some("/api/x"));
        assert_eq!(swap("/", "", "/api").as_deref(), Some("/api/"));
        assert_eq!(swap("", "", "/api"), None);
        assert_eq!(swap("?x", "", "/api"), None);
    }

    #[test]
    fn no_swap_makes_another_host_of_a_path() {
        assert_eq!(rooted(swapped(b"/r//evil.test", "/r", "").unwrap()), b"/.//evil.test");
        assert_eq!(rooted(swapped(b"/r/\\evil.test", "/r", "").unwrap()), b"/./\\evil.test");
    }
}
