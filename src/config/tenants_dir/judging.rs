//! Judging the files that have to be judged, until nothing changes any more.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::TenantsDir;
use super::conflict::Conflict;
use super::entry::{Entry, Held};
use super::file::{Job, Judged, Terms, judge};
use super::index::{Slot, captures};
use crate::config::build::{Claims, Tally, lacks_pool};
use crate::config::document::{Document, Tenant};
use crate::config::findings::Findings;
use crate::config::source::Sources;
use crate::types::TenantId;

/// How often files are judged anew because of what others claim. Two rounds do, unless somebody writes meanwhile.
const ROUNDS_MAX: usize = 8;

/// Files that a thread takes at a time; of fewer than two portions, none is started.
const PORTION: usize = 64;

/// What of the configuration file the files were judged by.
#[derive(Debug)]
pub(super) struct Basis {
    /// Without tenants.
    document: Document,
    text: String,
    /// Every plan's and pool's name, also of those that are bad.
    plans: BTreeSet<String>,
    pools: BTreeSet<String>,
}

impl Basis {
    pub fn document(&self) -> &Document {
        &self.document
    }

    fn of(terms: &Terms<'_>, text: &str) -> Self {
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        Self {
            document: terms.document.clone(),
            text: text.to_owned(),
            plans: names(&mut terms.config.plans.names()),
            pools: names(&mut terms.config.pools.names()),
        }
    }
}

impl TenantsDir {
    /// Judges what has changed, under these terms. `text` is the configuration file's, `claims` are those of its tenants.
    pub fn judge(&mut self, terms: &Terms<'_>, text: &str, claims: &Claims) {
        let threads = self.threads();
        self.adopt(terms, text);
        for _ in 0..ROUNDS_MAX {
            let jobs = self.jobs(terms.sources, claims);
            if jobs.is_empty() {
                return;
            }
            judge_all(jobs, terms, threads).into_iter().for_each(|judged| self.enter(judged, terms.document));
        }
        for job in self.jobs(terms.sources, claims) {
            self.give_up(&job);
        }
    }

    /// All cores while nobody is served yet; then half of them, so that whoever is served hardly notices.
    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        if self.basis.is_none() { cores } else { (cores / 2).max(1) }
    }

    /// Finds the files that a change of the configuration file concerns.
    fn adopt(&mut self, terms: &Terms<'_>, text: &str) {
        let before = self.basis.take();
        if before.as_ref().is_some_and(|basis| basis.text == text) {
            self.basis = before;
            return;
        }
        let now = Basis::of(terms, text);
        let all = before.as_ref().is_none_or(|before| {
            let (before, now) = (&before.document, &now.document);
            before.tenancy.identify != now.tenancy.identify || !before.identity.suits_like(&now.identity)
        });
        let limits = before.is_none_or(|before| {
            before.document.plans != now.document.plans || before.document.routes != now.document.routes
        });
        let names_nothing = |tenant: &Tenant| {
            tenant.plan.as_ref().is_some_and(|plan| !now.plans.contains(plan))
                || tenant.pool.as_ref().is_some_and(|pool| !now.pools.contains(pool))
                || tenant
                    .routes
                    .iter()
                    .any(|change| change.parts.named_pools().any(|pool| !now.pools.contains(pool)))
        };
        self.tally = Tally::default();
        for (slot, entry) in &self.entries {
            let concerns = |held: &Held| {
                (limits && held.has_own_limits)
                    || names_nothing(&held.tenant)
                    || lacks_pool(terms.config, terms.document, &held.tenant)
            };
            // Diagnostics point into the configuration file, too.
            if all || !entry.diagnostics.is_empty() || entry.held.as_ref().is_none_or(concerns) {
                self.dirty.insert(slot);
            }
            self.neighbours.insert(slot);
            if let Some(held) = &entry.held {
                self.tally.add(terms.document, &held.tenant);
            }
        }
        if all {
            self.take_patterns(terms.document);
        }
        self.basis = Some(now);
    }

    fn take_patterns(&mut self, document: &Document) {
        self.index.forget_patterns();
        self.patterns = document.tenancy.patterns().cloned().collect();
        for (slot, entry) in &self.entries {
            if let Some(held) = &entry.held {
                self.index.enter(slot, held, &self.patterns);
            }
        }
    }

    /// What is to be judged in the next round.
    fn jobs(&mut self, main: &Sources, claims: &Claims) -> Vec<Job> {
        let mut slots = std::mem::take(&mut self.dirty);
        for slot in std::mem::take(&mut self.neighbours) {
            let entry = self.entries.get(slot);
            if entry.is_some_and(|entry| *entry.conflicts != *self.conflicts(entry, slot, main, claims)) {
                slots.insert(slot);
            }
        }
        let job = |slot| {
            let entry = self.entries.get(slot)?;
            let conflicts = self.conflicts(entry, slot, main, claims).into_boxed_slice();
            Some(Job { slot, path: self.path.join(&*entry.name), conflicts })
        };
        slots.into_iter().filter_map(job).collect()
    }

    /// What other tenants have against a file's, as far as is known.
    fn conflicts(&self, entry: &Entry, slot: Slot, main: &Sources, claims: &Claims) -> Vec<Conflict> {
        let Some(held) = &entry.held else { return Vec::new() };
        let mut conflicts = Vec::new();
        let tenant = &held.tenant;
        let id = &tenant.id;
        let before =
            |slots: &[Slot]| self.first(slots).filter(|(first, _)| *first != slot).map(|(_, held)| held);
        let first = claims.id(id).map(|mark| main.site(mark));
        match first.or_else(|| before(self.index.id(id.as_str())).map(Held::id_site)) {
            Some(first) => conflicts.push(Conflict::Id { first }),
            None => conflicts.extend(claims.captured(id.as_str()).iter().map(|captured| Conflict::Claimed {
                domain: captured.domain.clone(),
                by: captured.pattern.clone(),
                owner: captured.owner.clone(),
                site: main.site(captured.mark),
            })),
        }
        for (nth, domain) in tenant.domains.iter().enumerate() {
            if tenant.domains.iter().take(nth).any(|other| other == domain) {
                continue;
            }
            let first = claims.domain(domain).map(|(owner, mark)| (owner.clone(), main.site(*mark)));
            let of_file = || {
                let held = before(self.index.domain(domain))?;
                let nth = held.tenant.domains.iter().position(|other| other == domain)?;
                Some((held.tenant.id.clone(), held.domain_site(nth)))
            };
            if let Some((owner, first)) = first.or_else(of_file) {
                conflicts.push(Conflict::Domain { domain: domain.clone(), owner, first });
            }
            for (pattern, label) in captures(&self.patterns, id, domain) {
                let Ok(other) = TenantId::parse(label) else { continue };
                let site = claims.id(&other).map(|mark| main.site(mark));
                let of_file = || self.first(self.index.id(label)).map(|(_, held)| held.id_site());
                if let Some(site) = site.or_else(of_file) {
                    let (domain, by) = (domain.clone(), pattern.clone());
                    conflicts.push(Conflict::Captured { domain, by, tenant: other, site });
                }
            }
        }
        conflicts
    }

    /// The first of some files, by their names.
    fn first(&self, slots: &[Slot]) -> Option<(Slot, &Held)> {
        let entries = slots.iter().filter_map(|slot| Some((*slot, self.entries.get(*slot)?)));
        let (slot, entry) = entries.min_by(|(_, a), (_, b)| a.name.cmp(&b.name))?;
        Some((slot, entry.held.as_ref()?))
    }

    /// Takes the outcome of a file.
    fn enter(&mut self, judged: Judged, document: &Document) {
        let is_bad = judged.is_bad();
        let Judged { slot, conflicts, seen, mut held, diagnostics } = judged;
        let Some(entry) = self.entries.get_mut(slot) else { return };
        let before = entry.held.take();
        if let Some(before) = &before {
            self.index.neighbours(before, &self.patterns, |other| _ = self.neighbours.insert(other));
            self.index.remove(slot, before, &self.patterns);
            self.tally.remove(document, &before.tenant);
        }
        if let Some(held) = &mut held {
            let same_text = entry.seen.is_some_and(|before| before.hash == seen.hash);
            if let Some(before) = before.filter(|before| same_text && before.tenant == held.tenant) {
                held.tenant = before.tenant;
            }
            self.index.enter(slot, held, &self.patterns);
            self.index.neighbours(held, &self.patterns, |other| _ = self.neighbours.insert(other));
            self.tally.add(document, &held.tenant);
        }
        self.neighbours.insert(slot);
        (entry.seen, entry.held, entry.conflicts) = (Some(seen), held, conflicts);
        (entry.diagnostics, entry.is_bad) = (diagnostics, is_bad);
        self.note_judged(slot);
    }

    /// Leaves out a file that somebody writes again and again.
    fn give_up(&mut self, job: &Job) {
        let mut findings = Findings::default();
        let mark = findings.sources.add_unreadable(&job.path.display().to_string());
        findings
            .error("unstable-file", mark, "the file changes again and again while it is read")
            .hint("write it once, under another name, and rename it");
        if let Some(entry) = self.entries.get_mut(job.slot) {
            (entry.seen, entry.is_bad) = (None, true);
            entry.diagnostics = findings.take(|_| true).into_boxed_slice();
        }
        self.note_judged(job.slot);
    }
}

/// Judges files on some threads.
fn judge_all(jobs: Vec<Job>, terms: &Terms<'_>, threads: usize) -> Vec<Judged> {
    if jobs.len() < 2 * PORTION || threads < 2 {
        return jobs.into_iter().map(|job| judge(&job, terms)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Vec::with_capacity(jobs.len() / threads);
        loop {
            let portion = jobs.iter().skip(next.fetch_add(PORTION, Ordering::Relaxed)).take(PORTION);
            let before = judged.len();
            judged.extend(portion.map(|job| judge(job, terms)));
            if judged.len() == before {
                return judged;
            }
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut judged = work();
        for other in others {
            match other.join() {
                Ok(theirs) => judged.extend(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        judged
    })
}
