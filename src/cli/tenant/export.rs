//! `tollgate tenant export`: tenants as they come, to standard output or into a file.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Filter;
use super::progress::Progress;
use crate::cli::client::{Call, Client};
use crate::cli::draft::Draft;
use crate::cli::output::print;

/// `tollgate tenant export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Where to [default: standard output]. A file that is there is replaced, once all is written.
    file: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
}

impl Export {
    pub(super) fn run(self, client: &Client) -> anyhow::Result<()> {
        let call = self.filter.of(Call::get(&["export"]));
        let Some(file) = &self.file else {
            let mut stream = client.stream(call)?;
            while let Some(chunk) = stream.next()? {
                print(&chunk)?;
            }
            return Ok(());
        };
        client.heed_interrupts()?;
        let mut stream = client.stream(call)?;
        let mut draft = Draft::of(file)?;
        let progress = Progress::of_lines(None);
        let mut tenants = 0;
        while let Some(chunk) = stream.next()? {
            draft.write_all(&chunk)?;
            let lines = memchr::memchr_iter(b'\n', &chunk).count() as u64;
            progress.advance(lines);
            tenants += lines;
        }
        progress.finish();
        draft.finish()?;
        let plural = if tenants == 1 { "" } else { "s" };
        eprintln!("{tenants} tenant{plural} in {}", file.display());
        Ok(())
    }
}
