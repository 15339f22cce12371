//! Loading: a file, what it names, and the process's environment into one document.

use std::io;
use std::path::{Path, PathBuf};

use super::build::{Builder, Candidate, Claims};
use super::decode::{Decoder, Spanned};
use super::diagnostic::{Diagnostic, Report, Severity};
use super::document::{Document, UnknownTenant};
use super::findings::Findings;
use super::redact;
use super::source::Mark;
use super::tenants_dir::{self, TenantsDir};
use super::written::{Config, Unknown};
use super::yaml::{self, Environment, Node};

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
pub fn load_from(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let read = std::fs::read(path).map_err(|error| why(&error));
    let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
    match text {
        Ok(text) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let mut loaded = load_text(&text, &name, folder, environment)?;
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

/// Loads a configuration from a text, with variables from elsewhere than the process's
/// environment. Files that it names are relative to `folder`.
///
/// # Errors
/// As [`load_str`].
pub fn load_text(
    text: &str,
    name: &str,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Report> {
    let mut reader = Reader { findings: Findings::default(), ids: 0 };
    let Some(root) = reader.read(text, name) else { return Err(reader.report()) };
    let file = root.mark;
    let config: Option<Config> = reader.decode(root, environment);
    let Some(config) = config else { return Err(reader.report()) };
    // Files are read before the builder borrows what was found.
    let directory =
        config.tenants_dir.as_ref().map(|dir| tenants_dir::read(&mut reader, dir, folder, environment));
    let Reader { findings, .. } = &reader;
    let mut builder = Builder::new(findings, folder, &config);
    let mut claims = Claims::default();
    let mut tenants: Vec<Candidate> =
        config.tenants.0.iter().map(|tenant| builder.tenant(tenant, &mut claims)).collect();
    let directory = directory.unwrap_or_default();
    tenants.extend(directory.tenants.iter().map(|tenant| builder.tenant(tenant, &mut claims)));
    let mut document = builder.document(&config, file);
    builder.check(&config, &document, &tenants);
    let mut watched = std::mem::take(&mut builder.watched);
    let quarantined = quarantine(findings, directory, &mut tenants, &mut watched);
    unknown_tenant_exists(findings, &config, &document, &tenants);
    if findings.errors_in(file.file) > 0 {
        let mut diagnostics = findings.take(|_| true);
        diagnostics.extend(quarantined.into_iter().flat_map(|file| file.diagnostics));
        return Err(Report { diagnostics });
    }
    document.tenants = tenants.into_iter().map(|candidate| candidate.tenant).collect();
    Ok(Loaded { document, warnings: findings.take(|_| true), quarantined, watched })
}

/// Leaves out every tenant's file that has an error.
fn quarantine(
    findings: &Findings,
    directory: TenantsDir,
    tenants: &mut Vec<Candidate>,
    watched: &mut Vec<PathBuf>,
) -> Vec<Quarantined> {
    watched.extend(directory.path);
    let bad = |file: u32| findings.errors_in(file) > 0;
    let of_files: std::collections::HashSet<u32> =
        directory.files.iter().map(|(number, _)| *number).collect();
    tenants.retain(|candidate| !(of_files.contains(&candidate.mark.file) && bad(candidate.mark.file)));
    let files = directory.files.into_iter().filter(|(number, _)| bad(*number));
    files.map(|(number, file)| Quarantined { file, diagnostics: findings.take(|of| of == number) }).collect()
}

fn unknown_tenant_exists(findings: &Findings, config: &Config, document: &Document, tenants: &[Candidate]) {
    let UnknownTenant::Tenant(id) = &document.tenancy.unknown else { return };
    if tenants.iter().any(|candidate| candidate.tenant.id == *id) {
        return;
    }
    let written = config.tenancy.as_ref().and_then(|tenancy| tenancy.unknown.as_ref());
    let Some(Spanned { value: Unknown::Tenant(_), mark, .. }) = written else { return };
    let names = tenants.iter().take(1_000).map(|candidate| candidate.tenant.id.as_str());
    findings
        .error("unknown-tenant", *mark, format!("there is no tenant `{id}`"))
        .maybe_hint(super::suggest::hint(id.as_str(), names));
}

/// Reads texts into trees and types, and keeps what is found on the way.
pub(super) struct Reader {
    pub findings: Findings,
    ids: u32,
}

impl Reader {
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

fn process_environment(name: &str) -> Option<String> {
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
