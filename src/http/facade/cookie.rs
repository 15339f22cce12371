//! Cookies that an application sets (RFC 6265 §4.1, §5.2).

use super::Prefixes;
use super::reference::swapped;

/// The cookie as one of the host that was asked for; `None` where it is that already.
///
/// A `Domain` goes, whatever it names: a cookie without one comes back to the very host that set it and to no other, and a
/// gateway can't know which hosts under a domain are other tenants'. The `Path` is the one that clients see.
pub(super) fn hosted(value: &[u8], prefixes: Option<&Prefixes>) -> Option<Vec<u8>> {
    let mut parts = value.split(|byte| *byte == b';');
    let pair = parts.next()?;
    // Such a cookie is kept only with the path `/` (RFC 6265bis §4.1.3.2).
    let prefixes = prefixes.filter(|_| !starts_with(pair.trim_ascii(), b"__Host-"));
    let mut changed = false;
    let mut cookie = pair.to_vec();
    for part in parts {
        let (name, of) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (part.get(..at)?, part.get(at + 1..)?.trim_ascii()),
            None => (part, &b""[..]),
        };
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"domain") {
            changed = true;
            continue;
        }
        let path = prefixes.filter(|_| name.eq_ignore_ascii_case(b"path"));
        match path.and_then(|Prefixes { outer, inner }| swapped(of, inner, outer)) {
            Some(path) => {
                changed = true;
                // `/api/` would not be for `/api` itself (RFC 6265 §5.1.4).
                let path =
                    path.strip_suffix(b"/").filter(|path| of == b"/" && !path.is_empty()).unwrap_or(&path);
                cookie.extend_from_slice(b"; Path=");
                cookie.extend_from_slice(path);
            }
            None => {
                cookie.push(b';');
                cookie.extend_from_slice(part);
            }
        }
    }
    changed.then_some(cookie)
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosted(value: &str, inner: &str) -> Option<String> {
        let cookie =
            super::hosted(value.as_bytes(), Some(&Prefixes { outer: "/api".into(), inner: inner.into() }));
        cookie.map(|cookie| String::from_utf8(cookie).unwrap())
    }

    #[test]
    fn a_cookie_is_of_the_host_alone() {
        for (value, expected) in [
            ("a=b; Domain=app.internal; Secure", Some("a=b; Secure")),
            ("a=b;DOMAIN = .app.example.com;HttpOnly", Some("a=b;HttpOnly")),
            ("a=b; domain; Secure", Some("a=b; Secure")),
            ("a=b; Domain=a; Domain=b", Some("a=b")),
            ("Domain=a; Secure", None),
            ("a=Domain=b", None),
            ("a=b", None),
            ("", None),
        ] {
            assert_eq!(hosted(value, "/app").as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn its_path_is_the_one_that_clients_see() {
        assert_eq!(hosted("a=b; path=/app/x; Secure", "/app").as_deref(), Some("a=b; Path=/api/x; Secure"));
        assert_eq!(hosted("a=b; Path=/", "").as_deref(), Some("a=b; Path=/api"));
        assert_eq!(hosted("a=b; Path=/app/", "/app").as_deref(), Some("a=b; Path=/api/"));
        assert_eq!(hosted("a=b; Path=/other", "/app"), None);
        assert_eq!(hosted("__Host-a=b; Path=/; Secure", ""), None);
        assert_eq!(hosted("__host-a=b; Path=/; Domain=x", "").as_deref(), Some("__host-a=b; Path=/"));
        assert_eq!(super::hosted(b"a=b; Path=/app", None), None);
    }
}
