//! Cookies, as a client sends them.

use http::HeaderMap;
use http::header::COOKIE;

/// The value of a cookie (RFC 6265 §4.2.1): the first of that name.
#[must_use]
pub fn cookie<'f>(fields: &'f HeaderMap, name: &str) -> Option<&'f [u8]> {
    let lines = fields.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes);
    let mut pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let fields = |lines: &[&'static str]| {
            lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect::<HeaderMap>()
        };
        for (lines, value) in [
            (&["sid=a"][..], Some("a")),
            (&["x=1; sid=a=b ;sid=c"], Some("a=b")),
            (&["xsid=1; sidx=2", "  sid="], Some("")),
            (&["sid", "id=1"], None),
            (&[], None),
        ] {
            assert_eq!(cookie(&fields(lines), "sid"), value.map(str::as_bytes), "{lines:?}");
        }
    }
}
