//! `tollgate restore`: what a backup would change, and, once that was seen, the change.

use std::fs::File;
use std::io::Seek;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::client::{Call, Client};
use super::confirm::confirm;
use super::connection::Connection;
use super::output::{Output, brief, print, word};
use super::table::Table;
use crate::control::backup::Check;

/// How long the gateway may take: it reads all of the file before it answers.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// `tollgate restore FILE`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    connection: Connection,
    /// A backup.
    file: PathBuf,
    /// Bring back this tenant only, and touch no other.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Don't ask: bring it back at once.
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        let name = self.file.display();
        let open = || File::open(&self.file).with_context(|| format!("{name} can't be read"));
        Check::file(open()?).with_context(|| format!("{name} is no good backup"))?;
        let difference = self.send(&client, open()?, true)?;
        // A program that said yes wants one document: what was done.
        if output == Output::Text || !self.yes {
            shown(output, &difference)?;
        }
        if changes_nothing(&difference) {
            if output != Output::Text && self.yes {
                shown(output, &difference)?;
            }
            return all_taken(&difference);
        }
        confirm("bring this back", self.yes)?;
        let done = self.send(&client, open()?, false)?;
        match output {
            Output::Text => print("\nbrought back\n")?,
            _ => shown(output, &done)?,
        }
        all_taken(&done)
    }

    fn send(&self, client: &Client, mut file: File, dry_run: bool) -> anyhow::Result<Value> {
        file.rewind()?;
        let call = Call::post(&["restore"])
            .with_some("tenant", self.tenant.as_deref())
            .with("dry_run", if dry_run { "true" } else { "false" })
            .ndjson_file(file)?;
        client.json(call.patience(PATIENCE))
    }
}

/// Whether nothing is to be brought back.
fn changes_nothing(difference: &Value) -> bool {
    let has =
        |pointer: &str| difference.pointer(pointer).and_then(Value::as_u64).is_some_and(|count| count > 0);
    let changes = difference.get("changes").and_then(Value::as_array);
    changes.is_some_and(Vec::is_empty) && !has("/audit/created") && !has("/tenants/changed")
}

/// An error where tenants were left out.
fn all_taken(report: &Value) -> anyhow::Result<()> {
    match report.pointer("/tenants/failed").and_then(Value::as_u64) {
        None | Some(0) => Ok(()),
        Some(1) => bail!("a tenant can't be brought back: `errors` says why"),
        Some(failed) => bail!("{failed} tenants can't be brought back: `errors` says why"),
    }
}

/// Prints a difference: its single changes as a table for people, above all else that the gateway says.
fn shown(output: Output, difference: &Value) -> anyhow::Result<()> {
    let (Output::Text, Some(changes)) = (output, difference.get("changes").and_then(Value::as_array)) else {
        return output.document(difference);
    };
    if !changes.is_empty() {
        print(Table::new(&["", "TENANT", "KIND", "NAME", "WHAT"]).page(changes.iter().map(row)))?;
        print("\n")?;
    }
    let mut rest = difference.clone();
    if let Value::Object(members) = &mut rest {
        // People are asked next; and of what is told in full nothing has to be said.
        members.retain(|name, value| name != "changes" && name != "dry_run" && *value != false);
    }
    output.document(&rest)
}

/// A change as a line: what comes, what changes, what goes.
fn row(change: &Value) -> Vec<String> {
    let action = word(change, "action");
    let sign = match action.as_str() {
        "create" => "+".to_owned(),
        "change" => "~".to_owned(),
        "delete" => "-".to_owned(),
        _ => action,
    };
    let name = change.get("domain").or_else(|| change.get("id")).map(brief).unwrap_or_default();
    let what = match change.get("units") {
        Some(units) => {
            let (before, since) = (word(change, "units_before"), word(change, "period_start"));
            format!("{before} to {} units, since {since}", brief(units))
        }
        None => word(change, "members"),
    };
    vec![sign, word(change, "tenant"), word(change, "kind"), name, what]
}
