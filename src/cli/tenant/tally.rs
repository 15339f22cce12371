//! What became of the lines of an import, over all its requests.

use serde_json::{Value, json};

/// How many errors are kept for the document at the end.
const ERRORS_MAX: usize = 1_000;

/// The sums of the answers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    lines: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    failed: u64,
    errors: Vec<Value>,
    truncated: bool,
}

impl Tally {
    /// Adds an answer for lines that come after `before` others. Its errors, with the numbers that the lines have in the file.
    pub(super) fn add(&mut self, answer: &Value, before: u64) -> Vec<Value> {
        let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        self.lines += number("lines");
        self.created += number("created");
        self.updated += number("updated");
        self.unchanged += number("unchanged");
        self.failed += number("failed");
        self.truncated |= answer.get("errors_truncated").and_then(Value::as_bool).unwrap_or_default();
        let mut errors = answer.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        for line in errors.iter_mut().filter_map(|error| error.get_mut("line")) {
            *line = json!(line.as_u64().unwrap_or_default() + before);
        }
        let room = ERRORS_MAX - self.errors.len();
        self.truncated |= errors.len() > room;
        self.errors.extend(errors.iter().take(room).cloned());
        errors
    }

    /// How many lines were not taken.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// As the API answers a single request.
    pub(super) fn document(&self, dry_run: bool) -> Value {
        let Self { lines, created, updated, unchanged, failed, errors, truncated } = self;
        json!({
            "lines": lines, "created": created, "updated": updated, "unchanged": unchanged, "failed": failed,
            "dry_run": dry_run, "errors": errors, "errors_truncated": truncated,
        })
    }

    /// In a line.
    pub(super) fn line(&self, dry_run: bool) -> String {
        let Self { lines, created, updated, unchanged, failed, .. } = self;
        let note = if dry_run { "; a dry run: nothing was changed" } else { "" };
        format!(
            "{lines} lines: {created} created, {updated} updated, {unchanged} unchanged, {failed} failed{note}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_add_up_and_errors_get_the_numbers_of_the_file() {
        let mut tally = Tally::default();
        tally.add(&json!({ "lines": 3, "created": 2, "updated": 1 }), 0);
        let errors =
            json!({ "lines": 2, "created": 1, "failed": 1, "errors": [{ "line": 2, "detail": "no" }] });
        let errors = tally.add(&errors, 3);
        assert_eq!(errors, [json!({ "line": 5, "detail": "no" })]);
        let document = tally.document(true);
        assert_eq!(
            (&document["lines"], &document["created"], &document["failed"], &document["errors_truncated"]),
            (&json!(5), &json!(3), &json!(1), &json!(false))
        );
        assert_eq!(document["errors"], json!(errors));
        let many: Vec<_> = (1..=1_500).map(|line| json!({ "line": line })).collect();
        tally.add(&json!({ "errors": many }), 5);
        assert_eq!(tally.document(false)["errors"].as_array().unwrap().len(), ERRORS_MAX);
        assert_eq!(tally.document(false)["errors_truncated"], true);
    }
}
