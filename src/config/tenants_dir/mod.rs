//! The folder of tenants: one YAML file each, its name the tenant's id.
//!
//! It is remembered from one load to the next, so that a changed file costs the reading of that one. What is remembered
//! of a file is what was made of it, not its text: of a hundred thousand, nearly all are as they were. A load finds what
//! has changed (`survey`), judges it anew (`file`, one file at a time, on as many threads as may be), and holds it
//! against the files that claim the same (`index`, `conflict`). Where that speaks against a file that has not changed, or does so no
//! more, that one is judged anew too. What a file claims does not depend on others, so this ends.

mod conflict;
mod entry;
mod file;
mod index;
mod inventory;
mod judging;
mod parts;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use slab::Slab;

use super::build::Tally;
use super::diagnostic::Diagnostic;
use super::difference::Change;
use super::document::{HostPattern, Tenant, TenantPart};
use super::load::Quarantined;
use crate::types::TenantId;

pub(super) use file::Terms;
pub use inventory::Inventory;
pub use survey::Look;

use entry::Entry;
use index::{Index, Slot};
use judging::Basis;
use parts::Parts;

/// What a folder of tenants holds.
#[derive(Debug, Default)]
pub(super) struct TenantsDir {
    path: PathBuf,
    /// Whether it could be read when it was looked at last.
    is_listed: bool,
    /// Which folder it was.
    identity: Option<(u64, u64)>,
    has_links: bool,
    names: BTreeMap<Arc<OsStr>, Slot>,
    entries: Slab<Entry>,
    parts: Parts,
    /// Files of which something was found, an error or a warning.
    troubled: BTreeSet<Arc<OsStr>>,
    index: Index,
    tally: Tally,
    patterns: Vec<HostPattern>,
    /// Files that are to be read.
    dirty: BTreeSet<Slot>,
    /// Files that others may have to do with otherwise than before.
    neighbours: BTreeSet<Slot>,
    /// What the files were judged by.
    basis: Option<Basis>,
    /// Files that were judged since a document was accepted.
    judged: BTreeSet<Slot>,
    /// Tenants of the accepted document whose files are gone.
    gone: Vec<Arc<Tenant>>,
}

impl TenantsDir {
    /// Where it is.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Whether it could be read when it was looked at last.
    pub fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Another folder takes its place; nothing in it is known.
    pub fn move_to(&mut self, path: PathBuf) {
        let slots: Vec<Slot> = self.entries.iter().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.remove(slot));
        *self = Self { path, gone: std::mem::take(&mut self.gone), ..Self::default() };
    }

    /// The tenants that nothing speaks against, in the order of their files.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.in_order().filter_map(Entry::tenant)
    }

    /// The same in parts; those that nothing has happened to are the same as before.
    pub fn parts(&mut self) -> impl Iterator<Item = &TenantPart> {
        let entries = &self.entries;
        self.parts.renew(&self.names, |slot| entries.get(slot)?.tenant().cloned());
        self.parts.iter()
    }

    /// Whether it has this tenant, and nothing speaks against it.
    pub fn has(&self, id: &TenantId) -> bool {
        let mut slots = self.index.id(id.as_str()).iter();
        slots.any(|slot| self.entries.get(*slot).is_some_and(|entry| entry.tenant().is_some()))
    }

    /// What all tenants of files use, those that are left out too.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The files that are left out, in order; and the warnings of the others.
    pub fn findings(&self) -> (Vec<Quarantined>, Vec<Diagnostic>) {
        let (mut quarantined, mut warnings) = (Vec::new(), Vec::new());
        for entry in self.troubled.iter().filter_map(|name| self.entries.get(*self.names.get(name)?)) {
            if entry.is_bad {
                let diagnostics = entry.diagnostics.to_vec();
                quarantined.push(Quarantined { file: self.path.join(&*entry.name), diagnostics });
            } else {
                warnings.extend(entry.diagnostics.iter().cloned());
            }
        }
        (quarantined, warnings)
    }

    /// What has become of tenants since a document was accepted.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let judged = self.judged.iter().filter_map(|slot| self.entries.get(*slot));
        let judged = judged.map(|entry| Change { before: entry.accepted.as_ref(), now: entry.tenant() });
        judged.chain(self.gone.iter().map(|tenant| Change { before: Some(tenant), now: None }))
    }

    /// The document that was made of it last is in force.
    pub fn accept(&mut self) {
        for slot in std::mem::take(&mut self.judged) {
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.accepted = entry.tenant().cloned();
            }
        }
        self.gone.clear();
    }

    fn in_order(&self) -> impl Iterator<Item = &Entry> {
        self.names.values().filter_map(|slot| self.entries.get(*slot))
    }

    /// Takes note that a file was judged.
    fn note_judged(&mut self, slot: Slot) {
        let Some(entry) = self.entries.get(slot) else { return };
        self.parts.touch(&entry.name);
        match entry.diagnostics.is_empty() {
            true => _ = self.troubled.remove(&entry.name),
            false => _ = self.troubled.insert(Arc::clone(&entry.name)),
        }
        self.judged.insert(slot);
    }

    /// Forgets a file.
    fn remove(&mut self, slot: Slot) {
        let Some(entry) = self.entries.try_remove(slot) else { return };
        self.names.remove(&entry.name);
        self.troubled.remove(&entry.name);
        self.parts.touch(&entry.name);
        if let Some(held) = &entry.held {
            self.index.remove(slot, held, &self.patterns);
            self.index.neighbours(held, &self.patterns, |other| _ = self.neighbours.insert(other));
            if let Some(basis) = &self.basis {
                self.tally.remove(basis.document(), &held.tenant);
            }
        }
        self.gone.extend(entry.accepted);
        self.dirty.remove(&slot);
        self.neighbours.remove(&slot);
        self.judged.remove(&slot);
    }
}
