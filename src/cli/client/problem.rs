//! What the gateway refuses with, in words for a terminal.

use std::fmt::{self, Write};

use http::StatusCode;
use serde_json::{Map, Value};

use super::token::{self, Token};

/// A refusal: a problem document (RFC 9457), or whatever came in its place.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
    /// Where the token came from that was refused, or how to give one.
    token: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, body: &[u8], token: Option<&Token>) -> Self {
        let members = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let token = (status == StatusCode::UNAUTHORIZED).then(|| match token {
            Some(token) => format!("the token is that of {}", token.source()),
            None => token::HOW.to_owned(),
        });
        Self { status, members, token }
    }

    /// The same, for whoever has told its errors already.
    pub(in crate::cli) fn without_errors(mut self) -> Self {
        self.members.remove("errors");
        self
    }

    /// The stable name of why.
    pub(in crate::cli) fn code(&self) -> Option<&str> {
        self.text("code")
    }

    /// The document as it came.
    pub(in crate::cli) fn document(&self) -> Value {
        Value::Object(self.members.clone())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.text("detail").or_else(|| self.text("title")).or(self.status.canonical_reason());
        write!(f, "{}", plain(detail.unwrap_or("the gateway refuses")))?;
        match self.text("code") {
            Some(code) => write!(f, " ({}, {})", self.status.as_u16(), plain(code))?,
            None => write!(f, " ({}, and no word of why: is this an admin API?)", self.status.as_u16())?,
        }
        let errors = self.members.get("errors").and_then(Value::as_array);
        for error in errors.into_iter().flatten() {
            f.write_str("\n  ")?;
            fault(f, error)?;
        }
        if let Some(hint) = self.text("hint") {
            write!(f, "\n  help: {}", plain(hint))?;
        }
        if let Some(token) = &self.token {
            write!(f, "\n  help: {}", plain(token))?;
        }
        Ok(())
    }
}

/// One thing that is wrong: `#/plan: there is no plan "fre"`, and below it what to write instead.
pub(in crate::cli) fn fault(out: &mut impl Write, error: &Value) -> fmt::Result {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    if let Some(place) = text("pointer") {
        write!(out, "{}: ", plain(place))?;
    }
    match text("detail").or_else(|| text("message")).or_else(|| text("code")) {
        Some(detail) => write!(out, "{}", plain(detail))?,
        None => write!(out, "{}", plain(&error.to_string()))?,
    }
    match text("hint") {
        Some(hint) => write!(out, "\n    help: {}", plain(hint)),
        None => Ok(()),
    }
}

/// A text of somebody else's, without what a terminal would obey.
pub(in crate::cli) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // Directions of writing could make a line read as another.
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        if (c.is_control() && c != '\n') || turns { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        Problem::new(StatusCode::from_u16(status).unwrap(), body.as_bytes(), None).to_string()
    }

    #[test]
    fn each_error_has_its_place_and_its_help() {
        let text = said(
            422,
            r##"{"code":"invalid_tenant","detail":"the tenant is not valid","errors":[
                {"pointer":"#/plan","code":"unknown-plan","detail":"there is no plan `fre`","hint":"did you mean `free`?"},
                {"pointer":"#/labels/x","detail":"not a text"}]}"##,
        );
        assert_eq!(
            text,
            "the tenant is not valid (422, invalid_tenant)\n  #/plan: there is no plan `fre`\n    help: did you mean `free`?\n  \
             #/labels/x: not a text"
        );
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_still_told() {
        assert_eq!(said(502, "<html>"), "Bad Gateway (502, and no word of why: is this an admin API?)");
        assert!(said(401, "{}").contains("TOLLGATE_TOKEN"));
    }

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        let text = said(409, r#"{"code":"not_verified","detail":"found \u001b[2Jevil\u202e"}"#);
        assert_eq!(text, "found \\u{1b}[2Jevil\\u{202e} (409, not_verified)");
    }
}
