//! The seal of a backup: its last line, which says how many records there are and what all bytes before it hash to.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::mem;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::{BadBackup, LINE_MAX, VERSION};

/// How the last line begins.
const END: &[u8] = b"{\"end\":";

/// A check of a backup that comes in pieces.
pub struct Check {
    hash: Context,
    /// What of the line that is being read has come.
    line: Vec<u8>,
    /// How many lines have come.
    lines: u64,
    /// What the last line says, once it is there.
    sealed: Option<Value>,
}

/// A backup that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// How many records it has.
    pub records: u64,
}

/// A file that can't be read, or is no good backup.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no good backup.
    #[error(transparent)]
    Bad(#[from] BadBackup),
}

impl Default for Check {
    fn default() -> Self {
        Self { hash: Context::new(&SHA256), line: Vec::new(), lines: 0, sealed: None }
    }
}

impl Check {
    /// Checks all of a file.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn file(mut file: impl Read) -> Result<Sealed, CheckError> {
        let mut check = Self::default();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return Ok(check.finish()?);
            }
            check.take(chunk.get(..read).unwrap_or_default(), |_, _| Ok(()))?;
        }
    }

    /// Takes what comes next. Gives `each` the records that end in it, with the numbers of their lines.
    ///
    /// # Errors
    /// It can't be of a backup, or `each` says so.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(u64, &[u8]) -> Result<(), BadBackup>,
    ) -> Result<(), BadBackup> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end + 1);
            self.line.extend_from_slice(line);
            self.line_is_there(&mut each)?;
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
        is_short(self.lines + 1, &self.line)
    }

    /// That nothing more comes.
    ///
    /// # Errors
    /// The backup is cut off or damaged.
    pub fn finish(mut self) -> Result<Sealed, BadBackup> {
        if !self.line.is_empty() {
            // Whether its last line has an end says nothing about what is in it; a record whose line has none is cut off.
            self.line_is_there(&mut |_, _| Ok(()))?;
        }
        let at = self.lines;
        let Some(sealed) = self.sealed else {
            let found = "the end of the file: it is cut off, or no backup was finished";
            return Err(BadBackup::new(at + 1, "the line with the backup's `end`", found));
        };
        let records = at.saturating_sub(2);
        let told = sealed.get("records").and_then(Value::as_u64);
        let sum = sealed.get("sha256").and_then(Value::as_str);
        let Some((told, sum)) = told.zip(sum) else {
            return Err(BadBackup::new(at, "`records` and `sha256` in the backup's `end`", "none of them"));
        };
        if told != records {
            let expected = format!("{told} records before the backup's `end`");
            return Err(BadBackup::new(at, expected, format!("{records}: it is damaged")));
        }
        let found = hex(self.hash.finish().as_ref());
        if sum != found {
            let found = format!("sha256 {found}: it is damaged");
            return Err(BadBackup::new(at, format!("sha256 {sum} of all lines before"), found));
        }
        Ok(Sealed { records })
    }

    fn line_is_there(
        &mut self,
        each: &mut impl FnMut(u64, &[u8]) -> Result<(), BadBackup>,
    ) -> Result<(), BadBackup> {
        let line = mem::take(&mut self.line);
        self.lines += 1;
        is_short(self.lines, &line)?;
        if self.sealed.is_some() {
            let expected = "nothing behind the backup's `end`";
            return Err(BadBackup::new(self.lines, expected, "another line: it is damaged"));
        }
        match self.lines {
            1 => is_head(&line)?,
            at if line.starts_with(END) => {
                let end: Option<Value> = serde_json::from_slice(&line).ok();
                let end = end.and_then(|end| end.get("end").cloned());
                let damaged =
                    || BadBackup::new(at, "the backup's `end`", "no JSON: it is cut off or damaged");
                self.sealed = Some(end.ok_or_else(damaged)?);
                return Ok(());
            }
            at => each(at, line.strip_suffix(b"\n").unwrap_or(&line))?,
        }
        self.hash.update(&line);
        Ok(())
    }
}

/// What seals a backup that is being written.
pub(super) struct Seal {
    hash: Context,
    records: u64,
}

impl Seal {
    /// Over the first line.
    pub(super) fn over(head: &[u8]) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(head);
        Self { hash, records: 0 }
    }

    /// Takes a record's line.
    pub(super) fn take(&mut self, line: &[u8]) {
        self.hash.update(line);
        self.records += 1;
    }

    /// The last line.
    pub(super) fn line(self) -> String {
        let sum = hex(self.hash.finish().as_ref());
        format!("{}\n", json!({ "end": { "records": self.records, "sha256": sum } }))
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_short(at: u64, line: &[u8]) -> Result<(), BadBackup> {
    match line.len() <= LINE_MAX {
        true => Ok(()),
        false => Err(BadBackup::new(at, "a line of 4 MiB at most", "a longer one")),
    }
}

/// The number of a change, at most: ten thousand a second for three thousand years. A larger one would leave a store no numbers.
pub(super) const SEQ_MAX: u64 = 1 << 50;

fn is_head(line: &[u8]) -> Result<(), BadBackup> {
    let head: Option<Value> = serde_json::from_slice(line).ok();
    let number = |name: &str| head.as_ref().and_then(|head| head.get(name)?.as_u64());
    match number("tollgate_backup") {
        Some(VERSION) => match number("last_seq") {
            Some(seq) if seq > SEQ_MAX => {
                Err(BadBackup::new(1, format!("a `last_seq` of {SEQ_MAX} at most"), seq.to_string()))
            }
            _ => Ok(()),
        },
        Some(version) => {
            let found = format!("version {version}: another version of Tollgate reads it");
            Err(BadBackup::new(1, format!("a backup of version {VERSION}"), found))
        }
        None => Err(BadBackup::new(1, "the first line of a backup of Tollgate", "something else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &str, records: u64) -> String {
        let mut seal = Seal::over(text.as_bytes());
        seal.records = records;
        format!("{text}{}", seal.line())
    }

    const HEAD: &str = "{\"tollgate_backup\": 1, \"version\": \"0.1.0\"}\n";

    #[test]
    fn a_whole_backup_is_whole_however_it_comes() {
        let text = sealed(&format!("{HEAD}{{\"tenant\": {{}}}}\n{{\"key\": {{}}}}\n"), 2);
        for size in [1, 7, 1_000] {
            let (mut check, mut records) = (Check::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                let each = |at, record: &[u8]| {
                    records.push((at, String::from_utf8(record.to_vec()).unwrap()));
                    Ok(())
                };
                check.take(chunk, each).unwrap();
            }
            assert_eq!(check.finish().unwrap(), Sealed { records: 2 });
            assert_eq!(records, [(2, "{\"tenant\": {}}".to_owned()), (3, "{\"key\": {}}".to_owned())]);
        }
        assert_eq!(Check::file(text.trim_end().as_bytes()).unwrap().records, 2);
        assert_eq!(Check::file(sealed(HEAD, 0).as_bytes()).unwrap().records, 0);
    }

    #[test]
    fn a_number_that_would_leave_a_store_none_is_no_backups() {
        let of = |seq: u64| sealed(&format!("{{\"tollgate_backup\": 1, \"last_seq\": {seq}}}\n"), 0);
        Check::file(of(SEQ_MAX).as_bytes()).unwrap();
        let bad = Check::file(of(SEQ_MAX + 1).as_bytes()).unwrap_err().to_string();
        assert!(bad.contains("last_seq"), "{bad}");
    }

    #[test]
    fn whatever_is_missing_or_changed_is_named() {
        let whole = sealed(&format!("{HEAD}{{\"tenant\": {{}}}}\n"), 1);
        let record = HEAD.len() + 4;
        for (text, word) in [
            (String::new(), "line 1: expected the line with the backup's `end`, found the end of the file"),
            (whole[..HEAD.len()].to_owned(), "cut off"),
            (whole.replace("tenant", "tenent"), "sha256"),
            (
                sealed(&format!("{HEAD}{{\"tenant\": {{}}}}\n"), 2),
                "expected 2 records before the backup's `end`, found 1",
            ),
            (format!("{whole}{{\"tenant\": {{}}}}\n"), "line 4: expected nothing behind"),
            ("{\"id\": \"acme\"}\n".to_owned(), "line 1: expected the first line of a backup of Tollgate"),
            (whole.replace("backup\": 1", "backup\": 2"), "found version 2"),
            ("x".repeat(LINE_MAX + 1), "longer"),
        ] {
            let error = Check::file(text.as_bytes()).unwrap_err().to_string();
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
