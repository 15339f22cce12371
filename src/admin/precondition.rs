//! ETags and what clients take for granted with them (RFC 9110 §13).

use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::{Response, StatusCode};

use super::problem::Problem;
use crate::control::registry::Precondition;

/// No tenant has it: what is no ETag of ours matches none.
const NO_REVISION: u64 = 0;

/// What a change takes for granted.
///
/// # Errors
/// The problem: more than one ETag, what is none, or both fields.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let if_match = tags(headers, &IF_MATCH)?;
    let if_none_match = tags(headers, &IF_NONE_MATCH)?;
    match (if_match.as_deref(), if_none_match.as_deref()) {
        (None, None) => Ok(Precondition::None),
        (Some([Tag::Any]), None) => Ok(Precondition::Present),
        // A weak one is never the same (RFC 9110 §13.1.1).
        (Some([Tag::One { revision, weak }]), None) => {
            Ok(Precondition::Revision(if *weak { NO_REVISION } else { *revision }))
        }
        (None, Some([Tag::Any])) => Ok(Precondition::Absent),
        _ => Err(bad("a change takes `If-Match` with one ETag or `*`, or `If-None-Match: *`")),
    }
}

/// Whether a client has this revision already.
pub(super) fn is_known(headers: &HeaderMap, revision: Option<u64>) -> bool {
    let Ok(Some(tags)) = tags(headers, &IF_NONE_MATCH) else { return false };
    tags.iter().any(|tag| match tag {
        Tag::Any => true,
        Tag::One { revision: known, .. } => revision == Some(*known),
    })
}

/// Tells a revision with an answer.
pub(super) fn tagged<B>(mut response: Response<B>, revision: Option<u64>) -> Response<B> {
    let tag = revision.and_then(|revision| HeaderValue::try_from(format!("\"{revision}\"")).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

enum Tag {
    Any,
    One { revision: u64, weak: bool },
}

/// The ETags of a field. `None` where the field is not there.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<Tag>>, Problem> {
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| bad("an ETag is written in ASCII"))?;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            tags.push(tag(part)?);
        }
    }
    match tags.is_empty() {
        true if headers.contains_key(name) => Err(bad("an ETag is missing")),
        true => Ok(None),
        false => Ok(Some(tags)),
    }
}

fn tag(text: &str) -> Result<Tag, Problem> {
    if text == "*" {
        return Ok(Tag::Any);
    }
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.ok_or_else(|| bad("an ETag stands in quotes: `If-Match: \"7\"`"))?;
    Ok(Tag::One { revision: inner.parse().unwrap_or(NO_REVISION), weak })
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_precondition").detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn preconditions_are_read() {
        for (fields, expected) in [
            (&[][..], Some(Precondition::None)),
            (&[("if-match", "\"7\"")][..], Some(Precondition::Revision(7))),
            (&[("if-match", "*")][..], Some(Precondition::Present)),
            (&[("if-none-match", "*")][..], Some(Precondition::Absent)),
            (&[("if-match", "W/\"7\"")][..], Some(Precondition::Revision(NO_REVISION))),
            (&[("if-match", "\"abc\"")][..], Some(Precondition::Revision(NO_REVISION))),
            (&[("if-match", "7")][..], None),
            (&[("if-match", "\"7\", \"8\"")][..], None),
            (&[("if-match", "")][..], None),
            (&[("if-none-match", "\"7\"")][..], None),
            (&[("if-match", "\"7\""), ("if-none-match", "*")][..], None),
        ] {
            assert_eq!(precondition(&headers(fields)).ok(), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_is_known_is_one_of_those_listed() {
        let knows = |value, revision| is_known(&headers(&[("if-none-match", value)]), revision);
        assert!(knows("\"6\", W/\"7\"", Some(7)) && knows("*", Some(7)) && knows("*", None));
        assert!(!knows("\"6\"", Some(7)) && !knows("\"7\"", None) && !knows("7", Some(7)));
        assert!(!is_known(&HeaderMap::new(), Some(7)));
    }
}
