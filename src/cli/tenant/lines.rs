//! A file of lines, read in batches, each line with its number.

use std::io::{BufRead, Read};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};

/// How many lines go into a batch: few enough that little has to be sent again, enough that the gateway's transactions are full.
const BATCH_LINES: u64 = 5_000;

/// How large a batch may be.
const BATCH_BYTES: usize = 4 << 20;

/// How long a line may be; the gateway takes less, and says so.
const LINE_MAX: u64 = 1 << 20;

/// Lines that are to be sent.
pub(super) struct Lines<R> {
    source: R,
    /// How many have been read.
    read: u64,
}

/// Some of them that follow each other.
#[derive(Debug)]
pub(super) struct Batch {
    /// The number, from 1, of its last line.
    pub last: u64,
    /// They, each with its line end.
    pub text: Bytes,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `source` from line number `from` on.
    pub(super) fn from(source: R, from: u64) -> anyhow::Result<Self> {
        let mut lines = Self { source, read: 0 };
        let mut passed = BytesMut::new();
        while lines.read + 1 < from {
            passed.clear();
            if !lines.line(&mut passed)? {
                bail!("there are only {} lines, none from line {from} on", lines.read);
            }
        }
        Ok(lines)
    }

    /// The next batch, if a line is left.
    pub(super) fn batch(&mut self) -> anyhow::Result<Option<Batch>> {
        let first = self.read + 1;
        let mut text = BytesMut::new();
        while self.read + 1 - first < BATCH_LINES && text.len() < BATCH_BYTES && self.line(&mut text)? {}
        let last = self.read;
        Ok((last >= first).then(|| Batch { last, text: text.freeze() }))
    }

    /// Appends the next line, if there is one.
    fn line(&mut self, to: &mut BytesMut) -> anyhow::Result<bool> {
        let mut line = Vec::new();
        let number = self.read + 1;
        let read = (&mut self.source).take(LINE_MAX + 1).read_until(b'\n', &mut line);
        let read = read.with_context(|| format!("line {number} can't be read"))?;
        if read as u64 > LINE_MAX {
            bail!(
                "line {number} is longer than {} KiB: this takes newline-delimited JSON, a tenant a line",
                LINE_MAX >> 10
            );
        }
        if read == 0 {
            return Ok(false);
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        to.extend_from_slice(&line);
        self.read = number;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_every_line_once_with_its_number() {
        let text: String = (1..=12_000).map(|number| format!("{{\"id\":\"t{number}\"}}\n")).collect();
        let mut lines = Lines::from(text.as_bytes(), 1).unwrap();
        let mut seen = Vec::new();
        let mut next = 1;
        while let Some(batch) = lines.batch().unwrap() {
            assert_eq!(batch.text.iter().filter(|b| **b == b'\n').count() as u64, batch.last - next + 1);
            next = batch.last + 1;
            seen.extend_from_slice(&batch.text);
        }
        assert_eq!((next, String::from_utf8(seen).unwrap()), (12_001, text));
    }

    #[test]
    fn reading_can_begin_at_a_line_and_the_last_one_needs_no_end() {
        let batch = Lines::from(&b"a\n\nb\nc"[..], 3).unwrap().batch().unwrap().unwrap();
        assert_eq!((batch.last, &batch.text[..]), (4, &b"b\nc\n"[..]));
        assert!(Lines::from(&b"a\n"[..], 3).is_err());
        assert!(Lines::from(&b"a\n"[..], 2).unwrap().batch().unwrap().is_none());
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let text = vec![b'x'; (LINE_MAX + 1) as usize];
        let error = Lines::from(&text[..], 1).unwrap().batch().unwrap_err().to_string();
        assert!(error.contains("line 1 is longer than 1024 KiB"), "{error}");
    }
}
