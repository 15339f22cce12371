//! The seal of a backup: its last line, which says how many records there are and what all bytes before it hash to.

use std::io::Read;
use std::mem;

use anyhow::{Context, bail, ensure};
use ring::digest::{Context as Hash, SHA256};
use serde_json::Value;

/// How long a line may be: a tenant has 256 KiB at most, and the audit log two of it.
const LINE_MAX: usize = 4 << 20;

/// The version of the format that this reads.
const VERSION: u64 = 1;

/// How the last line begins.
const END: &[u8] = b"{\"end\":";

/// A check of a backup that comes in pieces.
pub(super) struct Check {
    hash: Hash,
    /// What of the line that is being read has come.
    line: Vec<u8>,
    /// How many lines have come.
    lines: u64,
    /// What the last line says, once it is there.
    sealed: Option<Value>,
}

/// A backup that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed {
    /// How many records it has.
    pub records: u64,
}

impl Check {
    pub(super) fn new() -> Self {
        Self { hash: Hash::new(&SHA256), line: Vec::new(), lines: 0, sealed: None }
    }

    /// Checks all of a file.
    pub(super) fn file(mut file: impl Read) -> anyhow::Result<Sealed> {
        let mut check = Self::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return check.finish();
            }
            check.take(chunk.get(..read).unwrap_or_default())?;
        }
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// It can't be of a backup.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end + 1);
            self.line.extend_from_slice(line);
            self.line_is_there()?;
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
        ensure!(self.line.len() <= LINE_MAX, "line {} is longer than any of a backup", self.lines + 1);
        Ok(())
    }

    /// That nothing more comes.
    ///
    /// # Errors
    /// The backup is cut off or damaged.
    pub(super) fn finish(mut self) -> anyhow::Result<Sealed> {
        if !self.line.is_empty() {
            // Whether its last line has an end says nothing about what is in it.
            self.line_is_there()?;
        }
        let Some(sealed) = self.sealed else {
            bail!("it is cut off: it has {} lines, and none of them is its end", self.lines);
        };
        let records = self.lines.saturating_sub(2);
        let (told, sum) =
            (sealed.get("records").and_then(Value::as_u64), sealed.get("sha256").and_then(Value::as_str));
        let (told, sum) = told.zip(sum).context("its last line has no `records` and `sha256`")?;
        ensure!(
            told == records,
            "it is damaged: its last line tells of {told} records, and there are {records}"
        );
        let found = hex(self.hash.finish().as_ref());
        ensure!(sum == found, "it is damaged: its last line tells of sha256 {sum}, and the file has {found}");
        Ok(Sealed { records })
    }

    fn line_is_there(&mut self) -> anyhow::Result<()> {
        let line = mem::take(&mut self.line);
        self.lines += 1;
        ensure!(line.len() <= LINE_MAX, "line {} is longer than any of a backup", self.lines);
        ensure!(self.sealed.is_none(), "it is damaged: line {} follows its end", self.lines);
        if self.lines == 1 {
            let head: Option<Value> = serde_json::from_slice(&line).ok();
            let version = head.and_then(|head| head.get("tollgate_backup")?.as_u64());
            let version = version.context("its first line is not that of a backup of Tollgate")?;
            ensure!(version == VERSION, "it is of version {version}; this Tollgate reads version {VERSION}");
        }
        if self.lines > 1 && line.starts_with(END) {
            let end: Value = serde_json::from_slice(&line).context("its last line is damaged")?;
            self.sealed = end.get("end").cloned();
        } else {
            self.hash.update(&line);
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &str, records: u64) -> String {
        let sum = hex(ring::digest::digest(&SHA256, text.as_bytes()).as_ref());
        format!("{text}{{\"end\": {{\"records\": {records}, \"sha256\": \"{sum}\"}}}}\n")
    }

    const HEAD: &str = "{\"tollgate_backup\": 1, \"version\": \"0.1.0\"}\n";

    #[test]
    fn a_whole_backup_is_whole_however_it_comes() {
        let text = sealed(&format!("{HEAD}{{\"tenant\": {{}}}}\n{{\"key\": {{}}}}\n"), 2);
        for size in [1, 7, 1_000] {
            let mut check = Check::new();
            for chunk in text.as_bytes().chunks(size) {
                check.take(chunk).unwrap();
            }
            assert_eq!(check.finish().unwrap(), Sealed { records: 2 });
        }
        assert_eq!(Check::file(text.trim_end().as_bytes()).unwrap().records, 2);
        assert_eq!(Check::file(sealed(HEAD, 0).as_bytes()).unwrap().records, 0);
    }

    #[test]
    fn whatever_is_missing_or_changed_is_named() {
        let whole = sealed(&format!("{HEAD}{{\"tenant\": {{}}}}\n"), 1);
        let record = HEAD.len() + 4;
        for (text, word) in [
            (String::new(), "cut off"),
            (whole[..HEAD.len()].to_owned(), "cut off"),
            (whole.replace("tenant", "tenent"), "sha256"),
            (sealed(&format!("{HEAD}{{\"tenant\": {{}}}}\n"), 2), "2 records, and there are 1"),
            (format!("{whole}{{\"tenant\": {{}}}}\n"), "line 4 follows"),
            ("{\"id\": \"acme\"}\n".to_owned(), "first line"),
            (whole.replace("backup\": 1", "backup\": 2"), "version 2"),
            ("x".repeat(LINE_MAX + 1), "longer"),
        ] {
            let error = format!("{:#}", Check::file(text.as_bytes()).unwrap_err());
            assert!(error.contains(word), "{word}: {error}");
        }
        // Every byte counts.
        for at in [record, record + 3, HEAD.len() - 3, whole.len() - 5] {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Check::file(&bytes[..]).is_err(), "byte {at}");
        }
        for end in 0..whole.len() - 1 {
            assert!(Check::file(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }
}
