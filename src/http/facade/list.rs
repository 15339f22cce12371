//! URLs within the values of fields: `Link` (RFC 8288 §3) and `Refresh`.

/// A `Link` with its targets changed; `None` where none is. What stands in quotes is no target.
pub(super) fn links(value: &[u8], map: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut changed: Option<Vec<u8>> = None;
    let mut kept_to = 0;
    let mut at = 0;
    let mut quoted = false;
    while let Some(byte) = value.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'<' if !quoted => {
                let start = at + 1;
                let rest = value.get(start..)?;
                let Some(len) = rest.iter().position(|byte| *byte == b'>') else { break };
                if let Some(new) = rest.get(..len).and_then(map) {
                    let out = changed.get_or_insert_default();
                    out.extend_from_slice(value.get(kept_to..start)?);
                    out.extend_from_slice(&new);
                    kept_to = start + len;
                }
                at = start + len;
            }
            _ => {}
        }
        at += 1;
    }
    let mut changed = changed?;
    changed.extend_from_slice(value.get(kept_to..)?);
    Some(changed)
}

/// A `Refresh` with its URL changed: `5; url=/next`, the URL perhaps in quotes (HTML §4.2.5.3, which is all that defines it).
pub(super) fn refresh(value: &[u8], map: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let after_time = value.iter().position(|byte| matches!(byte, b';' | b','))? + 1;
    let blanks = |from: usize| {
        let rest = value.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    };
    let mut start = blanks(after_time);
    if value.get(start..start + 3).is_some_and(|word| word.eq_ignore_ascii_case(b"url")) {
        let equals = blanks(start + 3);
        if value.get(equals) == Some(&b'=') {
            start = blanks(equals + 1);
        }
    }
    let quote = value.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    start += usize::from(quote.is_some());
    let rest = value.get(start..)?;
    let len = quote.and_then(|quote| rest.iter().position(|byte| *byte == quote)).unwrap_or(rest.len());
    let new = rest.get(..len).and_then(map)?;
    Some([value.get(..start)?, &new, rest.get(len..)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(url: &[u8]) -> Option<Vec<u8>> {
        url.starts_with(b"in").then(|| url.to_ascii_uppercase())
    }

    #[test]
    fn targets_of_links_are_changed_and_nothing_else() {
        for (value, expected) in [
            ("<in1>; rel=next, <out>, <in2>", Some("<IN1>; rel=next, <out>, <IN2>")),
            ("<out>; title=\"<in>\"", None),
            ("<out>; title=\"a\\\"<in>\", <in>;x", Some("<out>; title=\"a\\\"<in>\", <IN>;x")),
            ("<in", None),
            ("", None),
        ] {
            let changed = links(value.as_bytes(), &upper).map(|value| String::from_utf8(value).unwrap());
            assert_eq!(changed.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn the_url_of_a_refresh_is_found_however_it_is_written() {
        for (value, expected) in [
            ("5; url=in", Some("5; url=IN")),
            ("5;URL = 'in'", Some("5;URL = 'IN'")),
            ("0, in", Some("0, IN")),
            ("0; url=\"in\" x", Some("0; url=\"IN\" x")),
            ("5; url=out", None),
            ("5", None),
            ("", None),
        ] {
            let changed = refresh(value.as_bytes(), &upper).map(|value| String::from_utf8(value).unwrap());
            assert_eq!(changed.as_deref(), expected, "{value}");
        }
    }
}
