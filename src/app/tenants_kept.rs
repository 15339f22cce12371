//! Looking after the tenants that the cache has: what other processes change in the store, and what those who have left still
//! owe.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::core::Core;
use crate::control::Foundation;
use crate::store::{Feed, Store, StoreFault};
use crate::tenant::TenantCache;

/// How often.
const ROUND: Duration = Duration::from_secs(1);
/// Changes that are told to the cache one by one; after more it had better begin anew.
const CHANGES_MAX: usize = 50_000;
/// Changes that are read in one go.
const CHANGES_READ: usize = 5_000;

/// Looks round every second, until it is dropped. To be run on a runtime that takes local tasks.
pub(super) async fn look_after(core: Arc<Core>) {
    let mut tick = interval(ROUND);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut followed = None;
    let mut openings = 0;
    loop {
        tick.tick().await;
        let foundation = core.foundation();
        if let (Some(cache), Some(store)) = (foundation.cache.get(), core.keeper().opened()) {
            let since = *followed.get_or_insert_with(|| store.last_seq());
            let opened = store.openings();
            if opened != std::mem::replace(&mut openings, opened) {
                tracing::warn!(
                    "the store's file was opened anew: what is known of tenants is looked up again"
                );
                cache.forget_all();
                cache.forget_absent_keys();
            }
            if let Ok(last) = follow(cache, &store, foundation, since).await {
                followed = Some(last);
            }
            cache.tidy();
            // What the store can't say now it is asked in a second.
            let document = core.registry().document();
            let _ = core.clashes().look(&document, &store).await;
            let _ = core.left_out().look(&document, &store).await;
        }
        foundation.accounts.sweep(foundation.clock.now_ns(), &foundation.metrics);
    }
}

/// Tells the cache what has changed in the store since a change, and to which it has been told now. Without foreign changes
/// this asks for a number, and all that is cached is as good as new.
async fn follow(
    cache: &TenantCache,
    store: &Store,
    foundation: &Foundation,
    since: u64,
) -> Result<u64, StoreFault> {
    let (at_ns, own) = (foundation.clock.now_ns(), store.last_seq());
    if !store.has_foreign_changes().await? {
        cache.confirm(at_ns);
        // What this process changes it has told the cache itself.
        return Ok(own);
    }
    let (mut last, mut told) = (since, 0);
    loop {
        let changes = match store.changes_since(last, CHANGES_READ).await {
            Ok(Feed::Changes(changes)) => changes,
            Ok(Feed::Removed { up_to }) => {
                tracing::warn!(
                    since = last,
                    up_to,
                    "changes of tenants were removed from the audit log before they were followed: the cache begins anew"
                );
                cache.forget_all();
                last = up_to;
                continue;
            }
            Ok(Feed::Rewound { to }) => {
                tracing::warn!(
                    since = last,
                    to,
                    "the store has fewer changes than it had, as an older one has: what is known of tenants is looked up again"
                );
                cache.forget_all();
                cache.forget_absent_keys();
                cache.confirm(at_ns);
                return Ok(to);
            }
            Err(fault) => {
                // That there were any is not said again.
                cache.forget_all();
                return Err(fault);
            }
        };
        let Some(newest) = changes.last() else { break };
        last = newest.seq;
        told += changes.len();
        if told > CHANGES_MAX {
            cache.forget_all();
            continue;
        }
        let hosts = changes.iter().flat_map(|change| change.hosts.iter().map(AsRef::as_ref));
        cache.forget(changes.iter().map(|change| &change.tenant), hosts.clone());
        foundation.certificates.forget(hosts);
    }
    if told > 0 {
        // Keys may have been issued: the feed doesn't know them.
        cache.forget_absent_keys();
    }
    cache.confirm(at_ns);
    Ok(last)
}
