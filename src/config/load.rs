//! Loading: a file, what it names, and the process's environment into one document.

use std::collections::HashMap;
use std::hash::RandomState;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build::{Builder, Candidate, Claims, Tally};
use super::decode::{Decoder, Spanned};
use super::diagnostic::{Diagnostic, Report, Severity};
use super::difference::{Change, Difference};
use super::document::{Document, Tenant, TenantList, UnknownTenant};
use super::findings::Findings;
use super::redact;
use super::source::{Mark, Sources};
use super::tenants_dir::{Look, TenantsDir, Terms};
use super::written::{Config, Unknown};
use super::yaml::{self, Environment, Node};
use crate::types::TenantId;

/// A configuration that loads.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub document: Document,
    /// What is probably not as meant.
    pub warnings: Vec<Diagnostic>,
    /// Files of `tenants_dir` that were left out because they have errors.
    pub quarantined: Vec<Quarantined>,
    /// Files and directories whose change may change the configuration.
    pub watched: Vec<PathBuf>,
    /// How the document differs from the one before.
    pub difference: Difference,
}

/// A file of `tenants_dir` that was left out.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// The file.
    pub file: PathBuf,
    /// Its errors; at least one.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a configuration file and the files that it names.
///
/// # Errors
/// Every error in the file, at once.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    load_from(path, &process_environment)
}

/// Loads a configuration from a text; files that it names are relative to the working directory.
///
/// # Errors
/// Every error in the text, at once; `name` stands for the file in them.
pub fn load_str(text: &str, name: &str) -> Result<Loaded, Report> {
    load_text(text, name, Path::new(""), &process_environment)
}

/// Loads a configuration file with variables from elsewhere than the process's environment.
///
/// # Errors
/// As [`load`].
pub fn load_from(
    path: &Path,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Loaded, Report> {
    Memory::default().load_file(path, environment)
}

/// Loads a configuration from a text, with variables from elsewhere than the process's
/// environment. Files that it names are relative to `folder`.
///
/// # Errors
/// As [`load_str`].
pub fn load_text(
    text: &str,
    name: &str,
    folder: &Path,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Loaded, Report> {
    Memory::default().load_text(text, name, folder, environment)
}

/// What a load leaves for the next one.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub directory: TenantsDir,
    /// Whether the folder of tenants was looked at for the next load; else all of it is.
    pub is_surveyed: bool,
    /// The tenants of the configuration file itself.
    tenants: Vec<Arc<Tenant>>,
    /// Those of the document that was accepted last.
    accepted: Vec<Arc<Tenant>>,
    /// Whether anything but tenants' files may have changed since a document was accepted.
    pub main_changed: bool,
    hasher: RandomState,
}

impl Memory {
    pub fn load_file(&mut self, path: &Path, environment: &Environment<'_>) -> Result<Loaded, Report> {
        let name = path.display().to_string();
        let read = std::fs::read(path).map_err(|error| why(&error));
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
        match text {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let mut loaded = self.load_text(&text, &name, folder, environment)?;
                loaded.watched.insert(0, path.to_owned());
                Ok(loaded)
            }
            Err(why) => {
                let mut findings = Findings::default();
                let mark = findings.sources.add_unreadable(&name);
                findings.error("missing-file", mark, format!("the file can't be read: {why}"));
                Err(Report { diagnostics: findings.take(|_| true) })
            }
        }
    }

    pub fn load_text(
        &mut self,
        text: &str,
        name: &str,
        folder: &Path,
        environment: &Environment<'_>,
    ) -> Result<Loaded, Report> {
        let mut reader = Reader::default();
        let Some(root) = reader.read(text, name) else { return Err(reader.report()) };
        let file = root.mark;
        let config: Option<Config> = reader.decode(root, environment);
        let Some(config) = config else { return Err(reader.report()) };
        let Reader { findings, .. } = &reader;
        let mut builder = Builder::new(findings, folder, &config);
        let mut document = builder.document(&config, file);
        let mut claims = Claims::under(&document.tenancy);
        let mut tally = Tally::default();
        let own: Vec<Candidate> = config.tenants.0.iter().map(|tenant| builder.tenant(tenant)).collect();
        for candidate in &own {
            claims.enter(candidate, findings);
            tally.add(&document, &candidate.tenant);
        }
        builder.check(&config, &document, &own, &claims);

        let directory = self.survey(findings, config.tenants_dir.as_ref(), folder);
        let sources = &findings.sources;
        let (document_of_files, hasher) = (&document, &self.hasher);
        let terms =
            Terms { folder, config: &config, document: document_of_files, sources, environment, hasher };
        self.directory.judge(&terms, text, &claims);
        builder.check_all(&config, &document, [&tally, self.directory.tally()]);
        let own = self.remember(own);
        self.unknown_tenant_exists(findings, &config, &document, &own);

        let (quarantined, mut warnings) = self.directory.findings();
        let mut diagnostics = findings.take(|_| true);
        if findings.errors_in(file.file) > 0 {
            diagnostics.append(&mut warnings);
            diagnostics.extend(quarantined.into_iter().flat_map(|file| file.diagnostics));
            return Err(Report { diagnostics });
        }
        diagnostics.append(&mut warnings);
        let own = own.chunks(TenantList::PART).map(Arc::from);
        document.tenants = TenantList::of_parts(own.chain(self.directory.parts().cloned()));
        let mut watched = std::mem::take(&mut builder.watched);
        watched.extend(directory);
        let difference = self.difference();
        Ok(Loaded { document, warnings: diagnostics, quarantined, watched, difference })
    }

    /// Finds what has changed in the folder of tenants, unless that was done; where it is, if there is one.
    fn survey(
        &mut self,
        findings: &Findings,
        written: Option<&Spanned<String>>,
        folder: &Path,
    ) -> Option<PathBuf> {
        let path = written.map(|written| folder.join(&written.value));
        let is_surveyed = std::mem::take(&mut self.is_surveyed);
        let is_other = *self.directory.path() != path.clone().unwrap_or_default();
        if is_other {
            self.directory.move_to(path.clone().unwrap_or_default());
        }
        let written = written?;
        if (is_other || !is_surveyed)
            && let Err(error) = self.directory.survey(&Look::Everything)
        {
            let message = format!("the folder `{}` can't be read: {}", written.value, why(&error));
            findings
                .error("missing-file", written.mark, message)
                .hint("paths are relative to the folder of the file that names them");
        }
        path
    }

    /// Takes the tenants of the configuration file; those that are as they were are the same as before, and above all as those in force:
    /// what has failed meanwhile changes nothing.
    fn remember(&mut self, own: Vec<Candidate>) -> Vec<Arc<Tenant>> {
        let before: HashMap<&TenantId, &Arc<Tenant>> =
            self.tenants.iter().chain(&self.accepted).map(|tenant| (&tenant.id, tenant)).collect();
        let same = |new: &Arc<Tenant>| {
            let before = before.get(&new.id)?;
            (***before == **new && before.origin.line == new.origin.line).then(|| Arc::clone(before))
        };
        let own = own.into_iter().map(|own| same(&own.tenant).unwrap_or(own.tenant)).collect();
        drop(before);
        self.tenants = Vec::clone(&own);
        own
    }

    fn unknown_tenant_exists(
        &self,
        findings: &Findings,
        config: &Config,
        document: &Document,
        own: &[Arc<Tenant>],
    ) {
        let UnknownTenant::Tenant(id) = &document.tenancy.unknown else { return };
        if own.iter().any(|tenant| tenant.id == *id) || self.directory.has(id) {
            return;
        }
        let written = config.tenancy.as_ref().and_then(|tenancy| tenancy.unknown.as_ref());
        let Some(Spanned { value: Unknown::Tenant(_), mark, .. }) = written else { return };
        let names = own.iter().chain(self.directory.tenants()).take(1_000).map(|tenant| tenant.id.as_str());
        findings
            .error("unknown-tenant", *mark, format!("there is no tenant `{id}`"))
            .maybe_hint(super::suggest::hint(id.as_str(), names));
    }

    fn difference(&self) -> Difference {
        let before = self.accepted.iter().map(|tenant| Change { before: Some(tenant), now: None });
        let now = self.tenants.iter().map(|tenant| Change { before: None, now: Some(tenant) });
        let own = before.chain(now).filter(|_| self.main_changed);
        Difference::of(self.main_changed, own.chain(self.directory.changes()))
    }

    /// The document that was loaded last is in force.
    pub fn accept(&mut self) {
        self.directory.accept();
        self.accepted = self.tenants.clone();
        self.main_changed = false;
    }
}

/// Reads texts into trees and types, and keeps what is found on the way.
#[derive(Default)]
pub(super) struct Reader {
    pub findings: Findings,
    ids: u32,
}

impl Reader {
    /// One that has read these before.
    pub fn within(sources: Sources) -> Self {
        Self { findings: Findings::within(sources), ids: 0 }
    }

    /// Parses a text. `None` where it is no YAML, which is reported.
    pub fn read(&mut self, text: &str, name: &str) -> Option<Node> {
        let file = self.findings.sources.add(name, text);
        match yaml::parse(text, file, &mut self.ids) {
            Ok(parsed) => {
                let mut root = parsed.root;
                root.scalars(false, &mut |_, mark, scalar, secret| {
                    if secret && !redact::is_reference(&scalar.text) {
                        self.findings.sources.hide(mark);
                    }
                });
                parsed.errors.into_iter().for_each(|error| self.syntax(error));
                Some(root)
            }
            Err(error) => {
                self.syntax(error);
                None
            }
        }
    }

    fn syntax(&self, error: yaml::SyntaxError) {
        let finding = self.findings.error(error.code, error.mark, error.message).maybe_hint(error.hint);
        if let Some(first) = error.first {
            finding.see(first, "the other one is");
        }
    }

    /// Fills in variables and decodes.
    pub fn decode<T: serde::de::DeserializeOwned>(
        &self,
        mut root: Node,
        environment: &Environment<'_>,
    ) -> Option<T> {
        let decoder = Decoder::new(&self.findings);
        decoder.interpolate(&mut root, environment);
        decoder.decode(&root)
    }

    fn report(self) -> Report {
        Report { diagnostics: self.findings.take(|_| true) }
    }
}

/// A whole file, for findings about it.
pub(super) fn whole(file: u32) -> Mark {
    Mark { file, start: 0, end: 0 }
}

/// An error of the system in few words, without a number.
pub(super) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        io::ErrorKind::NotADirectory => "it is not a folder".into(),
        io::ErrorKind::InvalidData => "it is not UTF-8".into(),
        _ => error.to_string(),
    }
}

pub(super) fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Loaded {
    /// Every finding: warnings, and the errors of files that were left out.
    #[must_use]
    pub fn findings(&self) -> Report {
        let quarantined = self.quarantined.iter().flat_map(|file| &file.diagnostics);
        let diagnostics = self.warnings.iter().chain(quarantined).cloned().collect();
        Report { diagnostics }
    }
}

impl Report {
    /// Whether there is an error in it.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}
