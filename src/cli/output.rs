//! What commands print, and how: for people or for programs.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::client::plain;
use super::table::Table;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// For programs: what the API answered.
    Json,
    /// The same as YAML.
    Yaml,
}

/// The members that come first where a document is described, in this order.
const FIRST: [&str; 8] = ["id", "domain", "key", "name", "tenant", "plan", "state", "source"];

/// Whoever read the output has seen enough: no failure.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(super) struct NobodyReads;

impl Output {
    /// Prints a document.
    pub(super) fn document(self, document: &Value) -> anyhow::Result<()> {
        match self {
            Self::Text => print(described(document)),
            Self::Json => print(format!("{document:#}\n")),
            Self::Yaml => print(&serde_saphyr::to_string(document)?),
        }
    }

    /// Prints a document whose `member` is a list: as a table for people.
    pub(super) fn list(
        self,
        document: &Value,
        member: &str,
        header: &'static [&'static str],
        row: impl Fn(&Value) -> Vec<String>,
    ) -> anyhow::Result<()> {
        if self != Self::Text {
            return self.document(document);
        }
        let rows = document.get(member).and_then(Value::as_array);
        print(Table::new(header).page(rows.into_iter().flatten().map(row)))
    }

    /// Prints a document to programs, and one line to people.
    pub(super) fn done(self, document: &Value, line: &str) -> anyhow::Result<()> {
        match self {
            Self::Text => print(format!("{}\n", plain(line))),
            _ => self.document(document),
        }
    }
}

/// Writes to standard output.
///
/// # Errors
/// [`NobodyReads`] where that has been closed.
pub(super) fn print(text: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        written => Ok(written?),
    }
}

/// A member's text as it stands in a table: nothing for what is missing.
pub(super) fn word(document: &Value, member: &str) -> String {
    document.get(member).map(brief).unwrap_or_default()
}

/// A value on one line: texts bare, lists by comma, labels as `name=value`.
pub(super) fn brief(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if is_flat(value) => values.iter().map(brief).collect::<Vec<_>>().join(", "),
        Value::Object(members) if is_flat(value) => {
            let pairs = members.iter().map(|(name, value)| format!("{name}={}", brief(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A document as lines of names and values; what has parts of its own is written below its name, as YAML.
fn described(document: &Value) -> String {
    let Value::Object(members) = document else { return format!("{}\n", plain(&brief(document))) };
    let ordered = ordered(members);
    let width = ordered.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in ordered {
        let nested = !is_scalar(value) && !is_flat(value);
        let (name, written) = match nested.then(|| serde_saphyr::to_string(value)) {
            Some(Ok(yaml)) => {
                let lines = yaml.lines().map(|line| format!("\n  {line}"));
                (plain(name), lines.collect::<String>())
            }
            _ => (format!("{:width$}", plain(name)), format!("   {}", one_line(value))),
        };
        let _ = writeln!(text, "{name}{}", plain(&written));
    }
    text
}

fn one_line(value: &Value) -> String {
    let text = if is_empty(value) { String::new() } else { brief(value) };
    if text.is_empty() { "-".to_owned() } else { text.replace('\n', " ") }
}

fn ordered(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut ordered: Vec<_> = members.iter().collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    ordered.sort_by_key(|(name, value)| (!is_scalar(value) && place(name) == FIRST.len(), place(name)));
    ordered
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

/// Whether a line is enough for what is in it.
fn is_flat(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().all(is_scalar),
        Value::Object(members) => members.values().all(is_scalar),
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_described_by_its_names_and_what_is_nested_by_yaml() {
        let document = json!({
            "state": "active", "revision": 7, "labels": { "team": "a", "tier": 1 }, "id": "acme", "pool": null,
            "domains": ["a.test", "b.test"], "features": [], "limits": { "rate_limit": { "rate": "5/s" } },
        });
        assert_eq!(
            described(&document),
            "id         acme\nstate      active\npool       -\nrevision   7\ndomains    a.test, b.test\nfeatures   -\n\
             labels     team=a, tier=1\nlimits\n  rate_limit:\n    rate: 5/s\n"
        );
    }

    #[test]
    fn yaml_says_what_json_says() {
        let document = json!({ "id": "0123", "on": "yes", "null": "null", "t": "12:30", "n": 5, "s": "a: b #c", "e": "" });
        let yaml = serde_saphyr::to_string(&document).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), document, "{yaml}");
    }
}
