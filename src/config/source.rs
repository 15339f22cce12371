//! The texts that diagnostics point into.

use std::ops::Range;
use std::sync::Arc;

use super::document::Origin;
use super::redact;

/// The files that marks stand in, so that a [`Mark`] can be shown: the configuration file and, while it is looked at, a
/// tenant's.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Arc<Source>>);

/// A stretch of one source, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

#[derive(Debug)]
struct Source {
    name: Arc<str>,
    text: Arc<str>,
    line_starts: Vec<u32>,
    secrets: Vec<Range<u32>>,
    unreadable: bool,
}

/// A mark as people count: lines and columns from 1, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
    pub width: u32,
    /// The line, without secrets.
    pub text: String,
}

/// As [`Place`], without the line itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl Sources {
    /// Adds a text, and returns its number.
    pub fn add(&mut self, name: &str, text: &str) -> u32 {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at as u32 + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        self.0.push(Arc::new(Source {
            name: name.into(),
            text: text.into(),
            line_starts,
            secrets: Vec::new(),
            unreadable: false,
        }));
        self.0.len() as u32 - 1
    }

    /// Adds a file that can't be read: what is said of it is about the file as a whole.
    pub fn add_unreadable(&mut self, name: &str) -> Mark {
        let file = self.add(name, "");
        if let Some(source) = self.0.last_mut().and_then(Arc::get_mut) {
            source.unreadable = true;
        }
        Mark { file, start: 0, end: 0 }
    }

    /// How many files were added.
    pub fn len(&self) -> u32 {
        self.0.len() as u32
    }

    /// The same files for others to add their own to. What they add is not seen here, and what is in these changes no more.
    pub fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// Keeps a stretch from ever being shown.
    pub fn hide(&mut self, mark: Mark) {
        if let Some(source) = self.0.get_mut(mark.file as usize).and_then(Arc::get_mut) {
            source.secrets.push(mark.start..mark.end);
        }
    }

    /// Where a mark stands, for those who have the text no more.
    pub fn site(&self, mark: Mark) -> Site {
        let Place { file, line, column, .. } = self.place(mark);
        Site { file, line, column }
    }

    /// Where a mark stands, for `explain`.
    pub fn origin(&self, mark: Mark) -> Origin {
        match self.0.get(mark.file as usize) {
            Some(source) => {
                Origin { file: source.name.clone(), line: source.line_index(mark.start) as u32 + 1 }
            }
            None => Origin { file: "".into(), line: 0 },
        }
    }

    /// Where a mark stands, and the line that it stands on.
    pub fn place(&self, mark: Mark) -> Place {
        match self.0.get(mark.file as usize) {
            Some(source) if !source.unreadable => source.place(mark),
            Some(source) => {
                Place { file: source.name.clone(), line: 0, column: 0, width: 0, text: String::new() }
            }
            None => Place { file: "".into(), line: 0, column: 0, width: 0, text: String::new() },
        }
    }
}

impl Source {
    fn line_index(&self, at: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    fn line(&self, index: usize) -> (u32, &str) {
        let start = self.line_starts.get(index).copied().unwrap_or_default();
        let end = self.line_starts.get(index + 1).copied().unwrap_or(self.text.len() as u32);
        let line = self.text.get(start as usize..end as usize).unwrap_or_default();
        (start, line.trim_end_matches(['\n', '\r']))
    }

    fn place(&self, mark: Mark) -> Place {
        let index = self.line_index(mark.start);
        let (line_start, line) = self.line(index);
        let chars_before = |at: u32| {
            line.char_indices().take_while(|(i, _)| (line_start as usize + i) < at as usize).count()
        };
        let column = chars_before(mark.start);
        let width = chars_before(mark.end.max(mark.start)).saturating_sub(column).max(1);
        Place {
            file: self.name.clone(),
            line: index as u32 + 1,
            column: column as u32 + 1,
            width: width as u32,
            text: self.shown(index),
        }
    }

    /// A line with a `*` for each character of a secret, so that columns stay where they are.
    fn shown(&self, index: usize) -> String {
        let (line_start, line) = self.line(index);
        let above = (0..index).rev().map(|i| self.line(i).1);
        let guessed = redact::secret_part(line, above);
        let known = |at: u32| self.secrets.iter().any(|range| range.contains(&at));
        line.char_indices()
            .map(|(i, c)| {
                let secret =
                    guessed.as_ref().is_some_and(|part| part.contains(&i)) || known(line_start + i as u32);
                match c {
                    _ if secret => '*',
                    '\t' => ' ',
                    c if c.is_control() => '\u{fffd}',
                    c => c,
                }
            })
            .collect()
    }
}
