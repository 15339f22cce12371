//! What a new configuration may have mended: what waits for that is tried again, and keys that don't fit are told of.

use std::sync::atomic::Ordering;

use super::encryption::{Unreadable, reading};
use super::{Certificates, InForce, now_ms};
use crate::acme::Kind;
use crate::store::{BY_FILE, HeldName, SUSPENDED};

/// Names in one transaction.
const PAGE: u32 = 500;
/// Why names wait of which some are put off for a budget.
pub(super) const OVER_BUDGET: &str = "over_budget";
/// What the settings of `acme` may mend. The rest is between a name and its authority, and waits.
const MENDED: [&str; 5] = [
    OVER_BUDGET,
    Kind::EncryptionKey.name(),
    Kind::Internal.name(),
    Kind::Account.name(),
    Kind::Authority.name(),
];

impl Certificates {
    /// Begins under a configuration.
    pub(super) async fn begin(&self, force: &InForce) {
        if let Ok(uses) = force.store.key_uses(now_ms()).await
            && let Some(lost) = Unreadable::of(&uses, &force.terms.keys, &force.terms.authority.directory)
        {
            tracing::error!("{lost}; until then clients of these domains are shown another certificate");
        }
        if self.mended.swap(false, Ordering::AcqRel) {
            for kind in MENDED {
                // What the store can't do now waits for its time.
                while let Ok(retried) = force.store.retry_names(kind, now_ms(), PAGE).await
                    && retried >= PAGE as usize
                {}
            }
        }
        self.release(force, BY_FILE, |held| force.owners.file_for(&held.name).is_none()).await;
    }

    /// Has names looked at whose tenants are suspended no more.
    pub(super) async fn release_resumed(&self, force: &InForce) {
        let is_resumed = |held: &HeldName| match force.owners.of(&held.name) {
            Some((_, may_order)) => may_order,
            None => {
                let state = held.state.as_deref();
                !force.owners.has(&held.tenant) && state.is_some_and(|state| state != SUSPENDED)
            }
        };
        self.release(force, SUSPENDED, is_resumed).await;
    }

    async fn release(&self, force: &InForce, kind: &'static str, is_free: impl Fn(&HeldName) -> bool) {
        let mut after = String::new();
        // What the store can't say now it is asked the next time.
        while let Ok(held) = force.store.held_names(kind, &after, PAGE).await {
            let Some(last) = held.last() else { break };
            after = last.name.to_string();
            let is_full = held.len() >= PAGE as usize;
            let free: Vec<_> = held.into_iter().filter(&is_free).map(|held| held.name).collect();
            for name in &free {
                self.shelf.forget(name);
            }
            if !free.is_empty() && force.store.release_names(free, kind, now_ms()).await.is_err() || !is_full
            {
                break;
            }
        }
    }

    /// Counts what is kept.
    pub(super) async fn count(&self, force: &InForce) {
        if let (Ok(uses), Ok(failing)) =
            (force.store.key_uses(now_ms()).await, force.store.failing_names().await)
        {
            self.meter.kept(reading(&uses, &force.terms.keys, failing));
        }
    }
}
