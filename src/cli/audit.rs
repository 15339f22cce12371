//! `tollgate audit`: who changed what, and when.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::client::Call;
use super::connection::Connection;
use super::listing::{Bounds, Listing};
use super::output::word;
use crate::types::TimeSpan;

/// `tollgate audit`: the newest changes first.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    connection: Connection,
    /// Of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// By this actor, as the list shows it.
    #[arg(long)]
    actor: Option<String>,
    /// Of this kind, as the list shows it.
    #[arg(long)]
    action: Option<String>,
    /// Not older than this: a time ago (24h, 7d) or an instant (2027-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    #[command(flatten)]
    bounds: Bounds,
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        LIST.show(&client, output, &self.bounds, || {
            Call::get(&["audit"])
                .with_some("tenant", self.tenant.as_deref())
                .with_some("actor", self.actor.as_deref())
                .with_some("action", self.action.as_deref())
                .with_some("since", self.since.map(|at| at.to_string()).as_deref())
        })
    }
}

const LIST: Listing = Listing {
    member: "entries",
    header: &["SEQ", "AT", "ACTOR", "ACTION", "TENANT", "CHANGE"],
    row: |entry| {
        let mut row = ["seq", "at", "actor", "action", "tenant"].map(|name| word(entry, name)).to_vec();
        row.push(change(entry));
        row
    },
};

/// An instant, or so long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(TimeSpan(ago)) = text.parse() {
        let ago = SignedDuration::try_from(ago).map_err(|error| error.to_string())?;
        return Timestamp::now().checked_sub(ago).map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| "write it like 24h, 7d or 2027-01-31T08:00:00Z".to_owned())
}

/// What differs, `plan "free" → "pro"`, and why, where somebody said so. A tenant that came or went as a whole differs in nothing; of a
/// key or a claim it is told which.
fn change(entry: &Value) -> String {
    let mut text = String::new();
    let side = |name: &str| entry.get(name).and_then(Value::as_object);
    if let (Some(before), Some(after)) = (side("before"), side("after")) {
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for name in names.into_iter().filter(|name| !TOLD_ALREADY.contains(&name.as_str())) {
            let value = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
            let (before, after) = (value(before), value(after));
            if before != after {
                let separator = if text.is_empty() { "" } else { ", " };
                // Into a string.
                let _ = write!(text, "{separator}{name} {before} → {after}");
            }
        }
    }
    if let (Some(one), None) | (None, Some(one)) = (side("before"), side("after"))
        && !word(entry, "action").starts_with("tenant.")
    {
        let members: Vec<String> = one.iter().map(|(name, value)| format!("{name} {value}")).collect();
        text = members.join(", ");
    }
    match word(entry, "reason") {
        reason if reason.is_empty() => text,
        reason => format!("{text} ({reason})").trim_start().to_owned(),
    }
}

/// What changes with every change.
const TOLD_ALREADY: [&str; 2] = ["revision", "updated_at"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_what_differs() {
        let before = json!({ "id": "acme", "plan": "free", "revision": 3, "labels": { "a": "1" } });
        let after =
            json!({ "id": "acme", "plan": "pro", "revision": 4, "pool": "own", "labels": { "a": "1" } });
        assert_eq!(
            change(&json!({ "before": before, "after": after })),
            "plan \"free\" → \"pro\", pool null → \"own\""
        );
        assert_eq!(change(&json!({ "action": "tenant.create", "before": null, "after": after })), "");
        let key = json!({ "key": "key_1", "name": "ci" });
        let told = "key \"key_1\", name \"ci\"";
        assert_eq!(change(&json!({ "action": "key.revoke", "before": key, "after": null })), told);
        assert_eq!(change(&json!({ "action": "key.issue", "before": null, "after": key })), told);
        let reason =
            json!({ "before": { "state": "active" }, "after": { "state": "suspended" }, "reason": "unpaid" });
        assert_eq!(change(&reason), "state \"active\" → \"suspended\" (unpaid)");
    }

    #[test]
    fn times_are_instants_or_so_long_ago() {
        assert_eq!(since("2027-01-31T08:00:00Z").unwrap().as_second(), 1_801_382_400);
        assert!(since("1h").unwrap() < Timestamp::now());
        for bad in ["yesterday", "", "5", "2027-01-31"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
