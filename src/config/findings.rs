//! Where findings are collected while a configuration is read, checked and built.

use std::cell::RefCell;
use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Related, Severity};
use super::redact;
use super::source::{Mark, Site, Sources};
use super::yaml::Filled;

/// The most errors, and the most warnings, that are kept of one file: one more helps nobody.
const FINDINGS_OF_FILE_MAX: usize = 100;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub sources: Sources,
    found: RefCell<Vec<(Mark, Diagnostic)>>,
    counts: RefCell<HashMap<(u32, Severity), usize>>,
    /// Values that variables were filled into, by where they are written.
    filled: RefCell<HashMap<Mark, Filled>>,
}

/// A finding that was just reported, to be told more about.
pub(super) struct Finding<'f> {
    findings: &'f Findings,
    at: usize,
}

impl Findings {
    /// None yet, in these files and those that are added to them.
    pub fn within(sources: Sources) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Reports what keeps the configuration from loading.
    pub fn error(&self, code: &'static str, mark: Mark, message: impl Into<String>) -> Finding<'_> {
        self.report(Severity::Error, code, mark, message.into())
    }

    /// Reports what is probably not as meant.
    pub fn warning(&self, code: &'static str, mark: Mark, message: impl Into<String>) -> Finding<'_> {
        self.report(Severity::Warning, code, mark, message.into())
    }

    /// Reports a key or value that is part of the configuration's surface, but does nothing yet.
    pub fn not_supported(&self, mark: Mark, what: &str) {
        let remove = format!("remove it: Tollgate {} does not enforce it", env!("CARGO_PKG_VERSION"));
        self.not_supported_but(mark, what, &remove);
    }

    /// As [`Findings::not_supported`], where something else can be written instead.
    pub fn not_supported_but(&self, mark: Mark, what: &str, instead: &str) {
        self.error("not-supported-yet", mark, format!("{what} is not supported yet")).hint(instead);
    }

    /// Remembers what was filled into a value: it may be a secret, and is never shown.
    pub fn filled(&self, mark: Mark, filled: Filled) {
        self.filled.borrow_mut().insert(mark, filled);
    }

    /// A text about a value, without what came from variables.
    fn without_values(&self, mark: Mark, text: String) -> String {
        match self.filled.borrow().get(&mark) {
            Some(filled) => redact::without_values(text, filled),
            None => text,
        }
    }

    fn report(&self, severity: Severity, code: &'static str, mark: Mark, message: String) -> Finding<'_> {
        let mut found = self.found.borrow_mut();
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry((mark.file, severity)).or_default();
        *count += 1;
        if *count > FINDINGS_OF_FILE_MAX {
            return Finding { findings: self, at: usize::MAX };
        }
        // A hint may follow the message on a line of its own: so errors of value types bring theirs.
        let message = self.without_values(mark, message);
        let (message, hint) = match message.split_once('\n') {
            Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
            None => (message, None),
        };
        let place = self.sources.place(mark);
        let diagnostic = Diagnostic {
            code,
            severity,
            message,
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            width: place.width,
            source: place.text,
            hint,
            related: Vec::new(),
        };
        found.push((mark, diagnostic));
        Finding { findings: self, at: found.len() - 1 }
    }

    /// Whether no more errors of a file are kept.
    pub fn full(&self, file: u32) -> bool {
        self.errors_in(file) >= FINDINGS_OF_FILE_MAX
    }

    /// How many errors were reported in a file, kept or not.
    pub fn errors_in(&self, file: u32) -> usize {
        self.counts.borrow().get(&(file, Severity::Error)).copied().unwrap_or_default()
    }

    /// Takes all findings with their places, in the order of these.
    pub fn take_marked(&self) -> Vec<(Mark, Diagnostic)> {
        let mut taken = std::mem::take(&mut *self.found.borrow_mut());
        taken.sort_by_key(|(mark, _)| *mark);
        taken
    }

    /// Takes the findings of these files, in the order of their places.
    pub fn take(&self, files: impl Fn(u32) -> bool) -> Vec<Diagnostic> {
        let mut found = self.found.borrow_mut();
        let (mut taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *found).into_iter().partition(|(mark, _)| files(mark.file));
        *found = kept;
        taken.sort_by_key(|(mark, _)| *mark);
        taken.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }
}

impl Finding<'_> {
    /// Says what to write instead.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    /// Says what to write instead, where that is known.
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        let mark = self.findings.found.borrow().get(self.at).map(|(mark, _)| *mark);
        let Some((mark, hint)) = mark.zip(hint) else { return self };
        let hint = self.findings.without_values(mark, hint);
        self.change(|diagnostic| diagnostic.hint = Some(hint))
    }

    /// Points to another place, where there is one.
    pub fn maybe_see(self, mark: Option<Mark>, message: &str) -> Self {
        match mark {
            Some(mark) => self.see(mark, message),
            None => self,
        }
    }

    /// Points to another place.
    pub fn see(self, mark: Mark, message: &str) -> Self {
        let site = self.findings.sources.site(mark);
        self.see_site(&site, message)
    }

    /// Points to a place in another file.
    pub fn see_site(self, site: &Site, message: &str) -> Self {
        let message = message.to_owned();
        let related = Related { message, file: site.file.to_string(), line: site.line, column: site.column };
        self.change(|diagnostic| diagnostic.related.push(related))
    }

    fn change(self, how: impl FnOnce(&mut Diagnostic)) -> Self {
        if let Some((_, diagnostic)) = self.findings.found.borrow_mut().get_mut(self.at) {
            how(diagnostic);
        }
        self
    }
}
