//! `tollgate tenant import`: a file of any size, in requests that are acknowledged one by one.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::StatusCode;
use serde_json::Value;

use super::lines::Lines;
use super::progress::Progress;
use super::tally::Tally;
use crate::cli::client::{Call, Client, Problem, fault, plain};
use crate::cli::output::Output;

/// How long the gateway may take for a batch: the disk may be slow, and others may be changing tenants.
const PATIENCE: Duration = Duration::from_secs(300);

/// `tollgate tenant import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// A tenant a line, as `export` writes them; `-` is standard input.
    file: PathBuf,
    /// Only check: nothing is changed.
    #[arg(long)]
    dry_run: bool,
    /// What becomes of tenants that are there already.
    #[arg(long, value_enum, default_value_t = Mode::Upsert)]
    mode: Mode,
    /// Begin at this line: where an import that broke off goes on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
}

/// What becomes of tenants that are there already.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// They become what their line says.
    Upsert,
    /// They stay, and their line fails.
    Create,
}

impl Import {
    pub(super) fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        client.heed_interrupts()?;
        let (source, total): (Box<dyn BufRead>, _) = if self.file == Path::new("-") {
            (Box::new(BufReader::new(io::stdin())), None)
        } else {
            let open =
                || File::open(&self.file).with_context(|| format!("{} can't be read", self.file.display()));
            let regular = open()?.metadata()?.is_file();
            let total = if regular { Some(count(open()?)?) } else { None };
            (Box::new(BufReader::new(open()?)), total)
        };
        let progress = Progress::of_lines(total.map(|total| total.saturating_sub(self.from_line - 1)));
        let mut lines = Lines::from(source, self.from_line)?;
        let mut tally = Tally::default();
        let mut done = self.from_line - 1;
        loop {
            let sent = lines.batch().and_then(|batch| {
                let Some(batch) = batch else { return Ok(None) };
                self.send(client, batch.text).map(|sent| Some((sent, batch.last)))
            });
            let Some((sent, last)) = sent.with_context(|| self.standing(done, &tally))? else { break };
            for error in tally.add(&sent.report, done) {
                progress.say(&told(&error));
            }
            if let Some(problem) = sent.broken_off {
                done += sent.report.get("settled_lines").and_then(Value::as_u64).unwrap_or_default();
                return Err(problem).with_context(|| self.standing(done, &tally));
            }
            progress.advance(last - done);
            done = last;
        }
        progress.finish();
        output.done(&tally.document(self.dry_run), &tally.line(self.dry_run))?;
        match tally.failed() {
            0 => Ok(()),
            1 => bail!("1 line failed"),
            failed => bail!("{failed} lines failed"),
        }
    }

    fn send(&self, client: &Client, text: Bytes) -> anyhow::Result<Sent> {
        let mode = match self.mode {
            Mode::Upsert => "upsert",
            Mode::Create => "create",
        };
        let dry_run = if self.dry_run { "true" } else { "false" };
        let call = Call::post(&["import"]).with("dry_run", dry_run).with("mode", mode);
        let answer = client.send(call.content("application/x-ndjson", text).patience(PATIENCE))?;
        let report = client.document(&answer.body).ok().filter(|document| document.get("lines").is_some());
        // That no line could be taken is a report like another.
        let whole = answer.status.is_success() || answer.status == StatusCode::UNPROCESSABLE_ENTITY;
        match report {
            Some(report) if whole => Ok(Sent { report, broken_off: None }),
            Some(report) => {
                let problem = client.problem(answer.status, &answer.body).without_errors();
                Ok(Sent { report, broken_off: Some(problem) })
            }
            None if answer.status.is_success() => {
                bail!("the answer doesn't count lines: is this an admin API?")
            }
            None => Err(client.problem(answer.status, &answer.body).into()),
        }
    }

    /// What to know of an import that breaks off.
    fn standing(&self, done: u64, tally: &Tally) -> String {
        let what = if self.dry_run { "checked" } else { "in, but for those that failed" };
        let next = done + 1;
        if done < self.from_line {
            return format!("no line is known to be {what}: go on with --from-line {next}");
        }
        let failed = tally.failed();
        format!(
            "lines {} to {done} are {what} ({failed} failed so far): go on with --from-line {next}",
            self.from_line
        )
    }
}

/// What the gateway says of a batch.
struct Sent {
    report: Value,
    /// Why it did not come to the batch's end.
    broken_off: Option<Problem>,
}

/// `line 17: acme: #/plan: there is no plan "fre"`.
fn told(error: &Value) -> String {
    let mut text = format!("line {}: ", error.get("line").and_then(Value::as_u64).unwrap_or_default());
    if let Some(id) = error.get("id").and_then(Value::as_str) {
        text += &format!("{}: ", plain(id));
    }
    // Into a string.
    let _ = fault(&mut text, error);
    text
}

/// How many lines there are.
fn count(file: File) -> anyhow::Result<u64> {
    let mut source = BufReader::with_capacity(1 << 20, file);
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let chunk = source.fill_buf()?;
        let Some(end) = chunk.last() else { break };
        last = *end;
        lines += memchr::memchr_iter(b'\n', chunk).count() as u64;
        let read = chunk.len();
        source.consume(read);
    }
    Ok(lines + u64::from(last != b'\n'))
}
