//! One file of tenants: read, decoded, built and held against what is known.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::conflict::Conflict;
use super::entry::{Held, Seen};
use crate::config::build::{Builder, Candidate, taken};
use crate::config::decode::Spanned;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::document::{Document, Domain};
use crate::config::findings::Findings;
use crate::config::fingerprint::Stat;
use crate::config::load::{Reader, whole, why};
use crate::config::source::Sources;
use crate::config::written::{Config, FromText, Tenant, TenantFile, Text};
use crate::config::yaml::Environment;
use crate::types::TenantId;

/// The most room that is made for a file before any of it is read.
const ROOM_MAX: usize = 1 << 20;

/// What files of tenants are read and judged with.
#[derive(Clone, Copy)]
pub(in crate::config) struct Terms<'t> {
    /// The folder of the configuration file.
    pub folder: &'t Path,
    pub config: &'t Config,
    /// All of the document but the tenants of files.
    pub document: &'t Document,
    /// The configuration file.
    pub sources: &'t Sources,
    pub environment: &'t Environment<'t>,
    pub hasher: &'t RandomState,
}

/// A file to be judged, and what it is known to have against others.
pub(super) struct Job {
    pub slot: usize,
    pub path: PathBuf,
    pub conflicts: Box<[Conflict]>,
}

/// What was found of a file.
pub(super) struct Judged {
    pub slot: usize,
    pub conflicts: Box<[Conflict]>,
    pub seen: Seen,
    pub held: Option<Held>,
    pub diagnostics: Box<[Diagnostic]>,
}

impl Judged {
    /// Whether the file is to be left out.
    pub fn is_bad(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads a file and tells all that is wrong with it.
pub(super) fn judge(job: &Job, terms: &Terms<'_>) -> Judged {
    let Job { slot, path, conflicts } = job;
    let mut reader = Reader::within(terms.sources.share());
    let (seen, text) = read(path, terms.hasher);
    let written = written(&mut reader, path, text, terms.environment);
    let findings = &reader.findings;
    let held = written.map(|written| {
        let builder = Builder::new(findings, terms.folder, terms.config);
        let candidate = builder.tenant(&written);
        repeated_domains(&candidate, conflicts, findings);
        conflicts.iter().for_each(|conflict| conflict.report(&candidate, findings));
        builder.check_tenant(terms.document, Some(terms.config), &candidate);
        held(candidate, &findings.sources)
    });
    let diagnostics = findings.take(|_| true).into_boxed_slice();
    Judged { slot: *slot, conflicts: conflicts.clone(), seen, held, diagnostics }
}

fn held(candidate: Candidate, sources: &Sources) -> Held {
    let place = |mark| {
        let site = sources.site(mark);
        (site.line, site.column)
    };
    Held {
        id: place(candidate.mark),
        domains: candidate.domains.iter().map(|mark| place(*mark)).collect(),
        has_own_limits: candidate.has_own_limits(),
        tenant: candidate.tenant,
    }
}

/// A domain is there twice in one file. Where it is another's, that is said at both.
fn repeated_domains(candidate: &Candidate, conflicts: &[Conflict], findings: &Findings) {
    let others = |domain: &Domain| {
        let mut conflicts = conflicts.iter();
        conflicts
            .any(|conflict| matches!(conflict, Conflict::Domain { domain: other, .. } if other == domain))
    };
    let mut seen = HashMap::new();
    for (domain, mark) in candidate.tenant.domains.iter().zip(&candidate.domains) {
        let first = *seen.entry(domain).or_insert(*mark);
        if first != *mark && !others(domain) {
            findings
                .error("duplicate-domain", *mark, taken(domain, &candidate.tenant.id, &candidate.tenant.id))
                .hint("a domain belongs to one tenant: remove one of the two")
                .see(first, "the other one is");
        }
    }
}

/// The text of a file, and what the file was like just before.
fn read(path: &Path, hasher: &RandomState) -> (Seen, std::io::Result<String>) {
    let mut stat = None;
    let text = File::open(path).and_then(|mut file| {
        let metadata = file.metadata()?;
        stat = Some(Stat::from(&metadata));
        // With room for all of it, and through `take`, it is not asked for its length once more: of many files that tells.
        let mut text = String::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).min(ROOM_MAX) + 64);
        file.by_ref().take(u64::MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    let stat = stat.or_else(|| Stat::of(path));
    let hash = text.as_ref().map_or(0, |text| hasher.hash_one(text));
    (Seen { stat, is_fresh: stat.is_some_and(Stat::is_fresh), hash }, text)
}

fn written(
    reader: &mut Reader,
    file: &Path,
    text: std::io::Result<String>,
    environment: &Environment<'_>,
) -> Option<Tenant> {
    let name = file.display().to_string();
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let mark = reader.findings.sources.add_unreadable(&name);
            reader.findings.error("missing-file", mark, format!("the file can't be read: {}", why(&error)));
            return None;
        }
    };
    let number = reader.findings.sources.len();
    let root = reader.read(&text, &name)?;
    if root.is_null() || root.is_empty() {
        // Most likely it is being written right now. A tenant without a plan has no limits, so
        // that nothing must not stand for one.
        reader
            .findings
            .error("invalid-value", whole(number), "the file is empty")
            .hint("write at least the tenant's `plan:`, or remove the file");
        return None;
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let id = TenantId::from_text(&stem)
        .map_err(|message| {
            let message = format!("the name of this file is no tenant's: {message}");
            reader.findings.error("invalid-value", whole(number), message);
        })
        .ok();
    let tenant: TenantFile = reader.decode(root, environment)?;
    let id = id?;
    let mark = match &tenant.id {
        Some(written) => {
            if written.value.0 != id {
                let message = format!("the id `{}` is not the file's name, which is `{id}`", written.value.0);
                reader
                    .findings
                    .error("invalid-value", written.mark, message)
                    .hint("rename the file, or remove `id`");
            }
            written.mark
        }
        None => whole(number),
    };
    Some(tenant.with_id(Spanned { value: Text(id), mark, key: mark }))
}
