//! `tollgate backup`: all that the store has, in a file that is whole or not there.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::client::Call;
use super::connection::Connection;
use super::draft::Draft;
use crate::control::backup::Check;

/// How long the gateway may take to begin.
const PATIENCE: Duration = Duration::from_secs(300);

/// `tollgate backup FILE`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    connection: Connection,
    /// Where to. A file that is there is replaced, once the backup is whole.
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        client.heed_interrupts()?;
        let mut draft = Draft::of(&self.file)?;
        let mut stream = client.stream(Call::get(&["backup"]).patience(PATIENCE))?;
        let (mut check, mut bytes) = (Check::default(), 0);
        let bad = "what the gateway sent is no good backup, and was not kept";
        while let Some(chunk) = stream.next()? {
            check.take(&chunk, |_, _| Ok(())).context(bad)?;
            draft.write_all(&chunk).with_context(|| format!("{} can't be written", self.file.display()))?;
            bytes += chunk.len();
        }
        let records = check.finish().context(bad)?.records;
        draft.finish()?;
        let file = self.file.display().to_string();
        let line = format!("{records} records ({bytes} bytes) in {file}");
        output.done(&json!({ "file": file, "records": records, "bytes": bytes }), &line)
    }
}
