//! `tollgate restore`: what a backup would change, and, once that was seen, the change.

use std::fs::File;
use std::io::Seek;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::client::{Call, Client};
use super::confirm::confirm;
use super::connection::Connection;
use super::output::{Output, brief, print, word};
use super::seal::Check;
use super::table::Table;

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
        confirm("bring this back", self.yes)?;
        let done = self.send(&client, open()?, false)?;
        if output == Output::Text {
            return print("\nbrought back\n");
        }
        shown(output, &done)
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

/// Prints a difference: its single changes as a table for people, above all else that the gateway says.
fn shown(output: Output, difference: &Value) -> anyhow::Result<()> {
    let (Output::Text, Some(changes)) = (output, difference.get("changes").and_then(Value::as_array)) else {
        return output.document(difference);
    };
    if !changes.is_empty() {
        let rows = changes.iter().map(|change| {
            let name = change.get("id").or_else(|| change.get("domain")).map(brief).unwrap_or_default();
            vec![word(change, "action"), word(change, "kind"), word(change, "tenant"), name]
        });
        print(Table::new(&["ACTION", "KIND", "TENANT", "NAME"]).page(rows))?;
        print("\n")?;
    }
    let mut rest = difference.clone();
    if let Value::Object(members) = &mut rest {
        members.remove("changes");
    }
    output.document(&rest)
}
