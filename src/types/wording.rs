//! Texts with placeholders, which each request fills in: `user-{tenant.id}`.

use http::HeaderValue;

use super::PathTemplate;

/// A text with placeholders in braces. `{{` is a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    text: Box<str>,
    pieces: Box<[Piece]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Of(Placeholder),
}

/// The value of a field: the same for every request, or filled in by each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// The same for every request.
    Fixed(HeaderValue),
    /// Filled in by each.
    Filled(Wording),
}

/// What of a request is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placeholder {
    /// The id of its tenant.
    TenantId,
    /// A label of its tenant: nothing where that has none of this name.
    TenantLabel(Box<str>),
    /// The client's address.
    ClientIp,
    /// Its id.
    RequestId,
    /// Its host, as the client wrote it.
    Host,
    /// Its method.
    Method,
    /// Its path, normalised.
    Path,
    /// What of its path stands behind the prefix that matched: nothing, or a text that begins with a slash.
    PathRest,
    /// A part of its path, by the name or number that the match gives it.
    PathPart(Box<str>),
    /// Its query, without the `?`.
    Query,
    /// Its query with the `?`, or nothing.
    QueryWithMark,
}

/// Placeholders without names of the operator's choosing.
const KNOWN: [(&str, Placeholder); 9] = [
    ("tenant.id", Placeholder::TenantId),
    ("client_ip", Placeholder::ClientIp),
    ("request_id", Placeholder::RequestId),
    ("host", Placeholder::Host),
    ("method", Placeholder::Method),
    ("path", Placeholder::Path),
    ("path.rest", Placeholder::PathRest),
    ("query", Placeholder::Query),
    ("?query", Placeholder::QueryWithMark),
];

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWording {
    /// A brace without its other.
    #[error("`{{` has no `}}`\nwrite `{{{{` for a brace")]
    Open,
    /// A placeholder that there is not. It may be a part of a secret, so it is not told.
    #[error(
        "there is no such placeholder\nthere are {{tenant.id}}, {{tenant.label.NAME}}, {{client_ip}}, {{request_id}}, {{host}}, {{method}}, {{path}}, \
         {{path.rest}}, {{path.NAME}}, {{query}} and {{?query}}; write `{{{{` for a brace"
    )]
    Unknown(String),
}

impl Wording {
    /// Reads a text.
    ///
    /// # Errors
    /// [`InvalidWording`], with a hint on a second line.
    pub fn parse(text: &str) -> Result<Self, InvalidWording> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, behind)) = rest.split_once('{') {
            literal.push_str(&before.replace("}}", "}"));
            if let Some(behind) = behind.strip_prefix('{') {
                literal.push('{');
                rest = behind;
                continue;
            }
            let (name, behind) = behind.split_once('}').ok_or(InvalidWording::Open)?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Of(placeholder(name)?));
            rest = behind;
        }
        literal.push_str(&rest.replace("}}", "}"));
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Ok(Self { text: text.into(), pieces: pieces.into() })
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The placeholders in it.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Of(placeholder) => Some(placeholder),
        })
    }

    /// Whether a label of the tenant is filled in.
    #[must_use]
    pub fn has_label(&self) -> bool {
        self.placeholders().any(|placeholder| matches!(placeholder, Placeholder::TenantLabel(_)))
    }

    /// The text with its placeholders filled in.
    #[must_use]
    pub fn filled(&self, mut fill: impl FnMut(&Placeholder, &mut Vec<u8>)) -> Vec<u8> {
        let mut filled = Vec::with_capacity(self.text.len() + 32);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.extend_from_slice(text.as_bytes()),
                Piece::Of(placeholder) => fill(placeholder, &mut filled),
            }
        }
        filled
    }
}

fn placeholder(name: &str) -> Result<Placeholder, InvalidWording> {
    if let Some((_, known)) = KNOWN.iter().find(|(known, _)| *known == name) {
        return Ok(known.clone());
    }
    if let Some(label) = name.strip_prefix("tenant.label.").filter(|label| !label.is_empty()) {
        return Ok(Placeholder::TenantLabel(label.into()));
    }
    let part = name.strip_prefix("path.").filter(|part| PathTemplate::is_name(part));
    let part = part.ok_or_else(|| InvalidWording::Unknown(name.to_owned()))?;
    Ok(Placeholder::PathPart(part.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let wording = Wording::parse(text).unwrap();
        let filled = wording.filled(|placeholder, text| text.extend(format!("<{placeholder:?}>").bytes()));
        String::from_utf8(filled).unwrap()
    }

    #[test]
    fn placeholders_are_filled_in_and_doubled_braces_are_braces() {
        assert_eq!(filled("plain"), "plain");
        assert_eq!(filled("a-{tenant.id}-{?query}"), "a-<TenantId>-<QueryWithMark>");
        assert_eq!(filled("{{\"a\": {path.id}}}"), "{\"a\": <PathPart(\"id\")>}");
        assert_eq!(filled("{{{{}}"), "{{}");
        assert_eq!(filled("}"), "}");
        assert_eq!(filled("{tenant.label.data-region}/"), "<TenantLabel(\"data-region\")>/");
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert_eq!(Wording::parse("{host"), Err(InvalidWording::Open));
        for unknown in ["hos", "", "path.", "path.a-b", "tenant.pool", "tenant.label", "tenant.label."] {
            let expected = Err(InvalidWording::Unknown(unknown.to_owned()));
            assert_eq!(Wording::parse(&format!("{{{unknown}}}")), expected);
        }
    }
}
