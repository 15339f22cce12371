//! Keeping the audit log as long as `audit.retain` says, and no longer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::core::Core;
use crate::store::{Store, WriteError};

/// How often it is looked whether there is something to do: a reload may want it kept otherwise.
const LOOK: Duration = Duration::from_secs(1);
/// How often entries are removed.
const ROUND: Duration = Duration::from_secs(3_600);
/// When it is tried again after the store did not answer.
const AGAIN: Duration = Duration::from_secs(60);
/// Between two transactions: a million entries that grow old at once are gone within half an hour, and nobody notices.
const PAUSE: Duration = Duration::from_millis(250);

/// Removes what is too old, every hour, until it is dropped.
pub(super) async fn keep(core: Arc<Core>) {
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut due, mut of) = (Instant::now(), None);
    loop {
        tick.tick().await;
        let retain = core.registry().document().audit.retain;
        if of != retain {
            (due, of) = (Instant::now(), retain);
        }
        let (Some(retain), Some(store)) = (retain, core.keeper().opened()) else { continue };
        if Instant::now() < due {
            continue;
        }
        let outcome = remove(&store, retain).await;
        due = Instant::now() + if outcome.is_ok() { ROUND } else { AGAIN };
    }
}

async fn remove(store: &Store, retain: Duration) -> Result<(), WriteError> {
    let retain_ms = i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
    let before_ms = Timestamp::now().as_millisecond().saturating_sub(retain_ms);
    let mut count = 0;
    loop {
        let removed = store.remove_audit(before_ms).await?;
        count += removed.count;
        if !removed.is_more {
            if count > 0 {
                tracing::info!(
                    entries = count,
                    up_to = removed.up_to,
                    days = retain.as_secs() / 86_400,
                    "audit log: entries older than `audit.retain` are removed"
                );
            }
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}
