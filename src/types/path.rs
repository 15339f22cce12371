//! Paths as an application will understand them.
//!
//! An application resolves `/x/../api` and `/%61pi` before it routes; a gateway that matched the
//! raw text would enforce the rules of another route. So routes are matched on the normalised
//! path (RFC 3986 §6.2.2.2 and §6.2.2.3, and doubled slashes merged), while the raw one goes upstream. What some applications
//! resolve and others don't (`/x/..;/api`, `/x%5c..%5capi`) has no reading that is safe, and is refused.

use std::borrow::Cow;

/// The path climbs above the root or in a way that is read differently, has a broken percent-encoding, a backslash or a NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path climbs above the root or is badly encoded")]
pub struct InvalidPath;

/// Whether a path is read alike by everybody, at one look: nothing of it is encoded, it has no parameters, and no segment is empty
/// or begins with a dot. Then it is normal, and the one that applications get.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    let mut before = 0;
    for octet in path.as_bytes() {
        match octet {
            b'%' | b'\\' | b';' => return false,
            b'/' | b'.' if before == b'/' => return false,
            octet => before = *octet,
        }
    }
    true
}

/// The path with unreserved characters decoded, dot segments resolved and slashes merged. Borrowed,
/// at the cost of one look, when it is normal already.
///
/// # Errors
/// [`InvalidPath`] when there is no such path.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    let bytes = path.as_bytes();
    let suspect =
        bytes.iter().zip(bytes.iter().skip(1).chain(std::iter::once(&b'/'))).any(|(this, next)| match this {
            b'%' | b'\\' => true,
            b'/' => matches!(next, b'/' | b'.'),
            _ => false,
        });
    // `path` itself may end in one slash: the look-ahead above then compares it with the '/' put behind.
    if !suspect || bytes == b"/" {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode_unreserved(bytes)?;
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut directory = true;
    for segment in decoded.split(|b| *b == b'/').skip(1) {
        directory = true;
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop().ok_or(InvalidPath)?;
            }
            _ if is_ambiguous(segment) => return Err(InvalidPath),
            _ => {
                segments.push(segment);
                directory = false;
            }
        }
    }
    let mut normal = String::with_capacity(path.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(std::str::from_utf8(segment).map_err(|_| InvalidPath)?);
    }
    if directory || segments.is_empty() {
        normal.push('/');
    }
    Ok(if normal == path { Cow::Borrowed(path) } else { Cow::Owned(normal) })
}

/// The path without the parameters of its segments (`;…`, RFC 3986 §3.3): an application that knows them routes by what stands before.
#[must_use]
pub fn without_parameters(path: &str) -> Cow<'_, str> {
    if !path.contains(';') {
        return Cow::Borrowed(path);
    }
    let segments = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    let mut plain = String::with_capacity(path.len());
    for segment in segments.skip(1) {
        if !plain.ends_with('/') {
            plain.push('/');
        }
        plain.push_str(segment);
    }
    Cow::Owned(plain)
}

/// The path as those read it who take an encoded slash or backslash for a slash; `None` where there is none.
#[must_use]
pub fn with_slashes(path: &str) -> Option<String> {
    if !path.contains("%2F") && !path.contains("%5C") {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let is_encoded = rest.starts_with("%2F") || rest.starts_with("%5C");
        rest = rest.get(if is_encoded { 3 } else { c.len_utf8() }..).unwrap_or_default();
        let c = if is_encoded { '/' } else { c };
        if !(c == '/' && plain.ends_with('/')) {
            plain.push(c);
        }
    }
    Some(plain)
}

/// Whether some would find a dot segment in it: behind a separator that is encoded, or before parameters.
fn is_ambiguous(segment: &[u8]) -> bool {
    if segment.contains(&b'\\') {
        return true;
    }
    if !segment.starts_with(b".") && !segment.contains(&b'%') {
        return false;
    }
    let is_dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    let text = String::from_utf8_lossy(segment).replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    text.split('/').any(is_dots)
}

/// Whether a path has dot segments, however they are written: clients resolve these themselves (URL Standard §4.4), and applications
/// that don't would find others behind them than were matched.
#[must_use]
pub fn has_dots(path: &str) -> bool {
    let is_dots = |segment: &str| match segment {
        "." | ".." => true,
        _ if segment.contains('%') => {
            matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
        }
        _ => false,
    };
    (path.contains("/.") || path.contains("/%")) && path.split('/').any(is_dots)
}

/// The path that an application is to get instead of one with dot segments.
///
/// # Errors
/// [`InvalidPath`] when it could be resolved in two ways: there is an empty segment, or what some take for the end of one.
pub fn resolved(path: &str) -> Result<String, InvalidPath> {
    let upper = path.to_ascii_uppercase();
    if ["//", ";", "%3B", "%2F", "%5C", "\\"].iter().any(|doubtful| upper.contains(doubtful)) {
        return Err(InvalidPath);
    }
    normalise(path).map(Cow::into_owned)
}

/// Decodes what needs no encoding within a segment (RFC 3986 §2.3 and §3.3), but for the `;` of parameters; other encodings stay, with
/// upper-case digits.
fn decode_unreserved(path: &[u8]) -> Result<Vec<u8>, InvalidPath> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (bytes.next().and_then(digit), bytes.next().and_then(digit));
        let (Some(high), Some(low)) = (high, low) else { return Err(InvalidPath) };
        let octet = high * 16 + low;
        if octet == 0 {
            return Err(InvalidPath);
        }
        if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&octet) {
            decoded.push(octet);
        } else {
            decoded.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
    Ok(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str) -> Option<String> {
        normalise(path).ok().map(Cow::into_owned)
    }

    #[test]
    fn paths_become_what_an_application_makes_of_them() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("//a///b", "/a/b"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/%61pi/%2e%2E/x", "/x"),
            ("/a%2fb", "/a%2Fb"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a%20b", "/a%20b"),
            ("/%40a%3Db%3b", "/@a=b%3B"),
        ] {
            assert_eq!(normal(path).as_deref(), Some(expected), "{path}");
        }
        for path in [
            "/..",
            "/a/../../b",
            "/%",
            "/%4",
            "/%zz",
            "/a/..;/b",
            "/a/.;x/b",
            "/a/..%3bx/b",
            "/x%2f..%2fb",
            "/x%5c..%5cb",
            "/x\\..\\b",
            "/a%00",
        ] {
            assert_eq!(normal(path), None, "{path}");
        }
    }

    #[test]
    fn parameters_are_no_part_of_what_is_matched() {
        for (path, expected) in [
            ("/a;b=c/d;e", "/a/d"),
            ("/;/a", "/a"),
            ("/a;", "/a"),
            ("/a/;x", "/a/"),
            ("/;x", "/"),
            ("/a/b", "/a/b"),
        ] {
            assert_eq!(without_parameters(path), expected, "{path}");
        }
    }

    #[test]
    fn dots_are_resolved_where_that_has_one_result() {
        for path in ["/a/../b", "/./a", "/a/%2e%2E/b", "/a/.%2e", "/.."] {
            assert!(has_dots(path), "{path}");
        }
        for path in ["/a/b", "/.well-known/x", "/...", "/a.b/..c", "/%2ea", "/a%2e"] {
            assert!(!has_dots(path), "{path}");
        }
        assert_eq!(resolved("/a/../b/%2e/c").as_deref(), Ok("/b/c"));
        for path in ["/a//../b", "/a/;/../b", "/a%2fb/../c", "/a%5cb/./c", "/a/%3bx/../b", "/.."] {
            assert_eq!(resolved(path), Err(InvalidPath), "{path}");
        }
    }

    #[test]
    fn encoded_slashes_may_be_slashes() {
        assert_eq!(with_slashes("/a/b"), None);
        for (path, expected) in [("/a%2Fb", "/a/b"), ("/a/%2F%5Cb/", "/a/b/"), ("/%2Fa%20b%2F", "/a%20b/")] {
            assert_eq!(with_slashes(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_plain_path_needs_nothing_of_all_this() {
        for path in ["/", "/a", "/a/", "/api/v1/users", "/a.b/c..", "/~a-b_c/d@e:f,g=h", "*"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["/%61", "/a//b", "//", "/./a", "/a/..", "/.well-known", "/a;b", "/a\\b", "/a/%2F"] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        assert!(matches!(normalise("/api/v1/users"), Ok(Cow::Borrowed(_))));
    }

    proptest! {
        #[test]
        fn what_is_plain_is_as_it_was_whatever_is_done_to_it(path in "/[a-c./%;\\\\0-9A-F]{0,12}") {
            if is_plain(&path) {
                prop_assert!(!has_dots(&path) && with_slashes(&path).is_none());
                prop_assert!(matches!(normalise(&path), Ok(Cow::Borrowed(same)) if same == path));
                prop_assert!(matches!(without_parameters(&path), Cow::Borrowed(same) if same == path));
            }
        }

        #[test]
        fn normalising_twice_changes_nothing(path in "/[a-c./%0-9A-F]{0,24}") {
            if let Ok(once) = normalise(&path) {
                prop_assert_eq!(normalise(&once), Ok(once.clone()));
                prop_assert!(once.starts_with('/') && !once.contains("//"));
                prop_assert!(once.split('/').all(|segment| segment != ".." && segment != "."));
            }
        }
    }
}
