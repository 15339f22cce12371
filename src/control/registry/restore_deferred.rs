//! Tenants that can't be brought back before others are.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::restore::{UnderWay, weight_of};
use super::{Refusal, Registry};
use crate::store::{Restoration, Restored, WriteError};

/// How much is put off, in records and quarters of a KiB of texts: it is kept in memory. Who comes after that is refused, and comes
/// back when the backup is restored once more.
const WEIGHT_MAX: usize = 10_000;
/// How many names of domains a dry run remembers.
const RELEASED_MAX: usize = 100_000;

/// Who wants a domain that another has, who may be brought back with them.
#[derive(Default)]
pub(super) struct Deferred {
    /// Them.
    pub(super) tenants: Vec<Arc<Restored>>,
    /// What others would have given up: only a dry run needs to be told.
    pub(super) released: BTreeSet<Box<str>>,
    weight: usize,
}

impl Deferred {
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Puts one off, if there is room.
    fn put_off(&mut self, restored: &Arc<Restored>) -> bool {
        let parts = restored.domains.len() + restored.keys.len() + restored.usage.len();
        let weight = 1 + parts + weight_of(restored.record.content.settings.as_deref());
        let has_room = self.weight + weight <= WEIGHT_MAX;
        if has_room {
            self.weight += weight;
            self.tenants.push(Arc::clone(restored));
        }
        has_room
    }
}

impl UnderWay {
    /// Takes what became of tenants, and has it hold at once.
    pub(super) fn take(
        &mut self,
        registry: &Registry,
        tenants: Vec<Arc<Restored>>,
        outcomes: Vec<Result<Restoration, WriteError>>,
    ) -> Result<(), Refusal> {
        let Self { report, deferred } = self;
        let (mut written, mut keys) = (Vec::new(), Vec::new());
        let mut fault = None;
        for (restored, outcome) in tenants.into_iter().zip(outcomes) {
            match outcome {
                Ok(restoration) => {
                    report.add(&restoration);
                    if let Some(deferred) = deferred.as_mut().filter(|_| report.dry_run) {
                        let room = RELEASED_MAX.saturating_sub(deferred.released.len());
                        deferred.released.extend(restoration.written.released.iter().take(room).cloned());
                    }
                    keys.extend(restored.keys.iter().map(|key| key.hash));
                    written.push(restoration.written);
                }
                Err(WriteError::DomainTaken { .. })
                    if deferred.as_mut().is_some_and(|deferred| deferred.put_off(&restored)) => {}
                Err(error) => match Refusal::of_restore(error) {
                    Refusal::Store(error) => fault = Some(error),
                    refusal => report.refused(restored.record.id.clone(), refusal),
                },
            }
        }
        if !report.dry_run {
            registry.forget(&written, &keys);
        }
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }
}
