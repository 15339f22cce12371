//! Entity tags of pages that are rewritten (RFC 9110 §8.8.3): they are of the origin's page in a certain look, so that a changed look
//! is a changed page. To the origin it is its own tag again.

use http::header::{ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// Before the edition, where the origin's tag is strong; and where it is weak. What the client has of it is weak always: the page's
/// octets may differ from one rewriting to the next (§8.8.1).
const OF_STRONG: &str = "-s";
const OF_WEAK: &str = "-w";

/// Has a page's tag say which edition of the look it is in. A page without one is left with nothing to ask by: that it
/// was not modified since would only be said of what the origin has of it.
pub(super) fn tag(fields: &mut HeaderMap, edition: &str) {
    let tag = fields.get(ETAG).and_then(|tag| tag.to_str().ok());
    let tag = tag.map(|tag| (tag.strip_prefix("W/"), tag)).map(|(weak, tag)| match weak {
        Some(weak) => (weak, OF_WEAK),
        None => (tag, OF_STRONG),
    });
    let opaque = tag.and_then(|(quoted, of)| Some((quoted.strip_prefix('"')?.strip_suffix('"')?, of)));
    let new = opaque.filter(|(opaque, _)| !opaque.contains('"'));
    match new.and_then(|(opaque, of)| HeaderValue::try_from(format!("W/\"{opaque}{of}{edition}\"")).ok()) {
        Some(new) => _ = fields.insert(ETAG, new),
        None => {
            fields.remove(ETAG);
            fields.remove(LAST_MODIFIED);
        }
    }
}

/// Has a client's `If-None-Match` name the origin's tags again; whether it named any in this edition. Those in another one stay as they
/// are, and so are nobody's.
pub(super) fn untag(fields: &mut HeaderMap, edition: &str) -> bool {
    let is_there = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains(edition));
    if !fields.get_all(IF_NONE_MATCH).iter().any(is_there) {
        return false;
    }
    let mut changed = false;
    let values: Vec<HeaderValue> = fields
        .get_all(IF_NONE_MATCH)
        .iter()
        .map(|value| {
            let of_origin = value.to_str().ok().and_then(|text| origins(text, edition));
            changed |= of_origin.is_some();
            of_origin.and_then(|text| HeaderValue::try_from(text).ok()).unwrap_or_else(|| value.clone())
        })
        .collect();
    fields.remove(IF_NONE_MATCH);
    values.into_iter().for_each(|value| _ = fields.append(IF_NONE_MATCH, value));
    changed
}

/// A list of tags with those of this edition as the origin knows them; `None` where there are none.
fn origins(list: &str, edition: &str) -> Option<String> {
    let mut new = String::with_capacity(list.len());
    let mut changed = false;
    // What is quoted, and what stands between.
    for (at, part) in list.split('"').enumerate() {
        if at > 0 {
            new.push('"');
        }
        let of_edition = part.strip_suffix(edition).filter(|_| at % 2 == 1);
        let strong = of_edition.and_then(|tag| tag.strip_suffix(OF_STRONG));
        let weak = of_edition.and_then(|tag| tag.strip_suffix(OF_WEAK));
        if let Some(tag) = strong
            && let Some(before) = new.strip_suffix("W/\"")
        {
            new.truncate(before.len());
            new.push('"');
            new.push_str(tag);
        } else {
            new.push_str(weak.unwrap_or(part));
        }
        changed |= strong.or(weak).is_some();
    }
    changed.then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EDITION: &str = "0123456789abcdef";

    fn fields(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    fn tagged(tag: &str) -> Option<String> {
        let mut fields = fields(ETAG, tag);
        fields.insert(LAST_MODIFIED, HeaderValue::from_static("Tue, 01 Dec 2026 00:00:00 GMT"));
        super::tag(&mut fields, EDITION);
        assert_eq!(fields.contains_key(ETAG), fields.contains_key(LAST_MODIFIED));
        fields.get(ETAG).map(|tag| tag.to_str().unwrap().to_owned())
    }

    fn asked(list: &str) -> (bool, String) {
        let mut fields = fields(IF_NONE_MATCH, list);
        let changed = untag(&mut fields, EDITION);
        (changed, fields[IF_NONE_MATCH].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_tag_is_of_a_page_in_a_look() {
        assert_eq!(tagged("\"abc\"").as_deref(), Some("W/\"abc-s0123456789abcdef\""));
        assert_eq!(tagged("W/\"abc\"").as_deref(), Some("W/\"abc-w0123456789abcdef\""));
        for none in ["abc", "\"", "\"a\"b\"", "w/\"abc\""] {
            assert_eq!(tagged(none), None, "{none}");
        }
    }

    #[test]
    fn the_origin_is_asked_for_its_own() {
        let list = "\"x, y\", W/\"abc-s0123456789abcdef\",W/\"def-w0123456789abcdef\"";
        assert_eq!(asked(list), (true, "\"x, y\", \"abc\",W/\"def\"".to_owned()));
        for other in
            ["*", "\"abc\"", "W/\"abc-s0000000000000000\"", "W/\"0123456789abcdef\"", "0123456789abcdef"]
        {
            assert_eq!(asked(other), (false, other.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn what_was_tagged_is_the_origins_again(opaque in "[!#-~]{0,40}", weak in any::<bool>()) {
            let tag = format!("{}\"{opaque}\"", if weak { "W/" } else { "" });
            prop_assert_eq!(asked(&tagged(&tag).unwrap()), (true, tag));
        }

        #[test]
        fn no_list_is_too_odd(list in "[ -~]{0,40}", after in "[ -~]{0,9}") {
            let list = format!("{list}-s{EDITION}{after}");
            let (changed, new) = asked(&list);
            prop_assert!(changed || new == list);
        }
    }
}
