//! Diagnostics: what is wrong in a configuration, where, and what to write instead.

use std::fmt;

use serde::Serialize;

use super::render;

/// One finding in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A stable name for the kind of finding, in kebab case: `unknown-key`, `invalid-value`, …
    pub code: &'static str,
    /// Whether it stops the configuration from loading.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The file, as the operator named it.
    pub file: String,
    /// The line, from 1; 0 where the finding is about the file as a whole.
    pub line: u32,
    /// The column in characters, from 1; 0 where `line` is.
    pub column: u32,
    /// How many characters of the line it is about.
    pub width: u32,
    /// The line itself, with secrets blotted out; empty where `line` is 0.
    pub source: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

/// Another place that a diagnostic speaks of, such as where a name was first used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// The file, as the operator named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It loads, but probably not as meant.
    Warning,
    /// The configuration is refused.
    Error,
}

/// Every error of a configuration that can't be loaded, and its warnings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings in the order of files and lines; at least one is an error.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// The report for people: each finding with its line and a hint, in colour for a terminal.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        render::all(&self.diagnostics, colour)
    }
}

impl Diagnostic {
    /// The diagnostic for people: what, where, the line, and what to write instead.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        render::one(self, colour)
    }
}

/// The diagnostic in one line, for logs: `FILE:LINE:COLUMN: message [code]`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {} [{}]", self.file, self.message, self.code),
            line => write!(f, "{}:{line}:{}: {} [{}]", self.file, self.column, self.message, self.code),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
