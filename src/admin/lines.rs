//! Lines of a stream, each with its number.

use super::body::DOCUMENT_MAX;
use crate::control::registry::Line;

/// Makes lines of what comes in pieces. It keeps no more than a piece and a line.
#[derive(Default)]
pub(super) struct Splitter {
    pending: Vec<u8>,
    /// Up to where `pending` was given out.
    given: usize,
    /// Up to where it was searched for an end of line.
    searched: usize,
    number: u64,
    /// Whether the line under way was too long, and is passed over.
    passing_over: bool,
}

/// A line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineError {
    pub number: u64,
}

impl Splitter {
    /// Takes what has come.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.pending.drain(..self.given);
        self.searched -= self.given;
        self.given = 0;
        self.pending.extend_from_slice(data);
    }

    /// The next line that has ended, or, at the `end` of the stream, what is left. Empty lines are counted, but not given.
    pub(super) fn next(&mut self, end: bool) -> Option<Result<Line, LineError>> {
        loop {
            let rest = self.pending.get(self.searched..).unwrap_or_default();
            let newline = memchr::memchr(b'\n', rest).map(|at| self.searched + at);
            let (until, next) = match newline {
                Some(at) => (at, at + 1),
                None if end && self.given < self.pending.len() => (self.pending.len(), self.pending.len()),
                None => return self.unfinished(),
            };
            let text = self.pending.get(self.given..until).unwrap_or_default().trim_ascii().to_vec();
            (self.given, self.searched) = (next, next);
            self.number += 1;
            if std::mem::take(&mut self.passing_over) {
                continue;
            }
            if text.len() > DOCUMENT_MAX {
                return Some(Err(LineError { number: self.number }));
            }
            if !text.is_empty() {
                return Some(Ok(Line { number: self.number, text }));
            }
        }
    }

    /// A line that has not ended: one that is too long already is told now and forgotten.
    fn unfinished(&mut self) -> Option<Result<Line, LineError>> {
        self.searched = self.pending.len();
        if self.pending.len() - self.given <= DOCUMENT_MAX {
            return None;
        }
        self.given = self.pending.len();
        let told = std::mem::replace(&mut self.passing_over, true);
        (!told).then_some(Err(LineError { number: self.number + 1 }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<Result<(u64, String), u64>> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        let mut take = |splitter: &mut Splitter, end: bool| {
            while let Some(line) = splitter.next(end) {
                let text = |line: Line| (line.number, String::from_utf8(line.text).unwrap());
                lines.push(line.map(text).map_err(|error| error.number));
            }
        };
        for piece in pieces {
            splitter.push(piece);
            take(&mut splitter, false);
        }
        take(&mut splitter, true);
        lines
    }

    #[test]
    fn lines_have_the_numbers_of_the_file() {
        let lines = split(&[b"a\n\n b", b"c \r\n", b"d"]);
        assert_eq!(lines, [Ok((1, "a".into())), Ok((3, "bc".into())), Ok((4, "d".into()))]);
        assert_eq!(split(&[b"a\n"]), [Ok((1, "a".into()))]);
        assert!(split(&[b"", b"\n\n"]).is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_passed_over() {
        let half = vec![b'x'; DOCUMENT_MAX / 2 + 1];
        let lines = split(&[b"a\n", &half, &half, &half, b"\nb\n"]);
        assert_eq!(lines, [Ok((1, "a".into())), Err(2), Ok((3, "b".into()))]);
        let whole = [vec![b'x'; DOCUMENT_MAX + 1], b"\nb".to_vec()].concat();
        assert_eq!(split(&[&whole]), [Err(1), Ok((2, "b".into()))]);
        let most = vec![b'x'; DOCUMENT_MAX];
        assert_eq!(split(&[&most]).len(), 1);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(text in "[ab\n]{0,40}", cuts in prop::collection::vec(0..40_usize, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            let naive = (1_u64..).zip(text.split('\n')).filter(|(_, line)| !line.is_empty());
            let naive: Vec<_> = naive.map(|(number, line)| Ok((number, line.to_owned()))).collect();
            prop_assert_eq!(split(&pieces), naive);
        }
    }
}
