//! What is done now and then: domains of which nothing is known are found, certificates are counted, renewal information is asked for.

use std::sync::Arc;
use std::time::Duration;

use super::{Certificates, InForce, now_ms};
use crate::acme::{Leaf, within_window_ms};
use crate::store::KeptCertificate;

/// Names that are enqueued in one transaction.
const PAGE: u32 = 500;
/// How often an authority is asked when it would have a certificate renewed, at most, and where it does not say how often.
const WINDOW_MIN: Duration = Duration::from_secs(600);
const WINDOW_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// Before this much of its life has gone nothing is asked for a certificate.
const LIFE_BEFORE: i64 = 4;

impl Certificates {
    /// Enqueues verified domains of which nothing is known, and counts certificates.
    pub(super) async fn look_through(&self, force: &InForce) {
        let mut after = String::new();
        // What the store can't say now it is asked the next time.
        while let Ok(names) = force.store.names_without_work(&after, PAGE).await {
            let Some(last) = names.last() else { break };
            after = last.name.to_string();
            let is_full = names.len() >= PAGE as usize;
            if force.store.enqueue_names(names, now_ms()).await.is_err() || !is_full {
                break;
            }
        }
        for page in force.owners.names().chunks(PAGE as usize) {
            let Ok(unknown) = force.store.unknown_names(page.to_vec()).await else { break };
            if !unknown.is_empty() && force.store.enqueue_names(unknown, now_ms()).await.is_err() {
                break;
            }
        }
        self.release_resumed(force).await;
        self.count(force).await;
    }

    /// Asks the authority when it would have a certificate renewed that holds still, and has the name looked at again in time.
    pub(super) async fn ask_window(&self, force: &Arc<InForce>, kept: &KeptCertificate) {
        let now_ms = now_ms();
        let mut renew_ms = kept.renew_ms;
        let mut again = WINDOW_DEFAULT;
        if let (Ok(authority), Some(leaf)) = (self.authority(force).await, Leaf::of_chain(&kept.chain)) {
            match authority.window(&leaf).await {
                Ok(Some(window)) => {
                    again = window.again.max(WINDOW_MIN);
                    let outside = renew_ms < window.start_ms || renew_ms > window.end_ms;
                    let chosen =
                        within_window_ms(window.start_ms, window.end_ms, kept.not_after_ms, fastrand::f64());
                    if let Some(chosen) = chosen.filter(|_| outside) {
                        renew_ms = chosen;
                    }
                }
                Ok(None) => {}
                Err(why) => tracing::debug!(domain = %kept.name, %why, "no renewal information"),
            }
        }
        let next_ms = next_look_ms(now_ms, renew_ms, again);
        if let Err(error) = force.store.renew_at(&kept.name, renew_ms, next_ms).await {
            tracing::warn!(domain = %kept.name, %error, "when a certificate is renewed can't be kept");
        }
    }
}

/// When a name is looked at again whose certificate is to be renewed then.
pub(super) fn next_look_ms(now_ms: i64, renew_ms: i64, again: Duration) -> i64 {
    let again_ms = i64::try_from(again.as_millis()).unwrap_or(i64::MAX);
    renew_ms.min(now_ms.saturating_add(again_ms)).max(now_ms)
}

/// When the authority is asked first for a new certificate's renewal window: after a part of its life.
pub(super) fn first_look_ms(not_before_ms: i64, not_after_ms: i64, renew_ms: i64) -> i64 {
    let part = not_after_ms.saturating_sub(not_before_ms).max(0) / LIFE_BEFORE;
    renew_ms.min(not_before_ms.saturating_add(part))
}
