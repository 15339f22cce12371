//! What `tollgate check` says of a file.

use std::path::Path;

use serde::Serialize;

use super::diagnostic::{Diagnostic, Report, Severity};
use super::load::load;

/// The outcome of checking a file, for people ([`Checked::render`]) and, as JSON, for tools.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Whether a gateway would load it whole: no error, and no tenant's file left out.
    pub valid: bool,
    /// How many tenants it would serve from files; 0 where it would not load.
    pub tenants: usize,
    /// Files of `tenants_dir` that would be left out.
    pub quarantined: Vec<String>,
    /// Every finding.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a file, and tells all that is found on the way.
#[must_use]
pub fn check(path: &Path) -> Checked {
    match load(path) {
        Ok(loaded) => {
            let diagnostics = loaded.findings().diagnostics;
            let quarantined: Vec<String> =
                loaded.quarantined.iter().map(|file| file.file.display().to_string()).collect();
            let tenants = loaded.document.tenants.len();
            let valid = diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error);
            Checked { valid, tenants, quarantined, diagnostics }
        }
        Err(Report { diagnostics }) => {
            Checked { valid: false, tenants: 0, quarantined: Vec::new(), diagnostics }
        }
    }
}

impl Checked {
    /// The findings for people, in colour for a terminal; empty where there is none.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        super::render::all(&self.diagnostics, colour)
    }
}
