//! Challenges of orders, for every process over the store: an authority may reach another than the one that has ordered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::names::is_name;
use super::{Certificates, InForce, now_ms};
use crate::acme::{Elsewhere, Proof, Seeking};
use crate::store::SharedChallenge;

/// For how long a challenge is answered whose order nobody ends.
const SHARED_MS: i64 = 5 * 60_000;
/// How often the store is asked in a second for challenges of others: however many ask for what nobody has ordered.
const SEEKS_MAX: u64 = 1_000;
/// How long the store is waited for.
const STORE_MAX: Duration = Duration::from_secs(2);

/// So many in each second, and no more.
#[derive(Debug)]
pub(super) struct Seeks {
    began: Instant,
    /// The second, and how many in it.
    counted: AtomicU64,
}

impl Default for Seeks {
    fn default() -> Self {
        Self { began: Instant::now(), counted: AtomicU64::new(0) }
    }
}

impl Seeks {
    fn take(&self) -> bool {
        self.take_at(self.began.elapsed().as_secs())
    }

    fn take_at(&self, second: u64) -> bool {
        let counted = |counted: u64| match counted >> 32 == second {
            true => (counted & u64::from(u32::MAX) < SEEKS_MAX).then_some(counted + 1),
            false => Some(second << 32 | 1),
        };
        self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).is_ok()
    }
}

impl Elsewhere for Certificates {
    fn proof(&self, name: &str) -> Option<Seeking<Proof>> {
        let force = self.in_force()?;
        if !is_name(name) {
            return None;
        }
        let proof = |shared: SharedChallenge| Proof {
            token: shared.token,
            key_authorization: shared.key_authorization,
        };
        if let Some(found) = force.store.shared_challenge_now(name, now_ms()) {
            return found.map(|shared| Box::pin(std::future::ready(Some(proof(shared)))) as _);
        }
        // Only what others have to be woken for is counted: a flood of names would hide those that an authority asks for.
        if !self.seeks.take() {
            return None;
        }
        let name = name.to_owned();
        Some(Box::pin(async move {
            let found = timeout(STORE_MAX, force.store.shared_challenge(&name, now_ms())).await;
            found.ok()?.ok()?.map(proof)
        }))
    }
}

impl Certificates {
    /// Tells all processes over the store what an authority is answered. Where that fails, this one answers alone.
    pub(super) async fn share(force: &Arc<InForce>, name: &str, proof: Proof) {
        let now_ms = now_ms();
        let Proof { token, key_authorization } = proof;
        let shared =
            SharedChallenge { name: name.into(), token, key_authorization, expires_ms: now_ms + SHARED_MS };
        if let Err(error) = force.store.share_challenge(shared, now_ms).await {
            tracing::warn!(domain = %name, %error, "other processes are not told what the authority is answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_so_many_a_second() {
        let seeks = Seeks::default();
        let taken = |second| (0..2 * SEEKS_MAX).filter(|_| seeks.take_at(second)).count() as u64;
        assert_eq!((taken(0), taken(0), taken(1), taken(7)), (SEEKS_MAX, 0, SEEKS_MAX, SEEKS_MAX));
    }
}
