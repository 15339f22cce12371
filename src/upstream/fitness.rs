//! Whether an endpoint can serve: by what its checks have found, and by what became of its requests.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::health::{Change, Health, Outcome, Outliers, RiseFall, Verdicts, Watch};

/// What is thought of an endpoint. Read with two loads; written by whoever finds something out.
#[derive(Debug, Default)]
pub(super) struct Fitness {
    health: AtomicU8,
    /// None while nobody is to check it: a check that ends then, begun before, says nothing any more.
    verdicts: Mutex<Option<Verdicts>>,
    watch: ArcSwapOption<Watch>,
}

const UNKNOWN: u8 = 0;
const HEALTHY: u8 = 1;
const UNHEALTHY: u8 = 2;

impl Fitness {
    /// What its checks say.
    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            HEALTHY => Health::Healthy,
            UNHEALTHY => Health::Unhealthy,
            _ => Health::Unknown,
        }
    }

    /// Whether requests should go there.
    pub(super) fn is_usable(&self) -> bool {
        self.health().is_usable() && !self.is_ejected()
    }

    /// Whether its requests have failed so much that none should go there for a while.
    pub(super) fn is_ejected(&self) -> bool {
        self.watch.load().as_ref().is_some_and(|watch| watch.is_ejected())
    }

    /// Whether it can be counted on: not if it would be ejected, but for those that are already.
    pub(super) fn is_well(&self) -> bool {
        let watch = self.watch.load();
        let speaks_against = |watch: &Arc<Watch>| watch.is_ejected() || watch.is_ailing();
        self.health().is_usable() && !watch.as_ref().is_some_and(speaks_against)
    }

    /// Until when, in nanoseconds.
    pub(super) fn ejected_until(&self) -> Option<u64> {
        self.watch.load().as_ref()?.ejected_until()
    }

    /// A check was passed, or not; what it has become, if that changed.
    pub(super) fn checked(&self, rules: RiseFall, passed: bool) -> Option<Health> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let news = verdicts.as_mut()?.observe(rules, passed)?;
        self.health.store(if news.is_usable() { HEALTHY } else { UNHEALTHY }, Ordering::Relaxed);
        if news.is_usable() {
            self.watch.load().iter().for_each(|watch| watch.forgive());
        }
        Some(news)
    }

    /// Whether it is checked from now on. If not, what was found is forgotten; if it was already, it stays.
    pub(super) fn be_checked(&self, is_checked: bool) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if is_checked {
            verdicts.get_or_insert_default();
        } else {
            *verdicts = None;
            self.health.store(UNKNOWN, Ordering::Relaxed);
        }
    }

    /// What becomes of its requests is told to this detection from now on; to the same one as before, nothing
    /// is forgotten.
    pub(super) fn tell(&self, outliers: Option<&Arc<Outliers>>, now_ns: u64, id: u64) {
        let told = self.watch.load();
        let is_same = match (told.as_ref(), outliers) {
            (Some(watch), Some(outliers)) => watch.is_of(outliers),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            self.watch.store(outliers.map(|outliers| Arc::new(outliers.watch(now_ns, id))));
        }
    }

    /// A tenant's request has ended there; what changes by it. The clock is asked of failures only.
    pub(super) fn record(
        &self,
        now_ns: impl FnOnce() -> u64,
        tenant: u64,
        outcome: Outcome,
    ) -> Option<Change> {
        self.watch.load().as_ref()?.record(now_ns, tenant, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::OutlierTerms;

    #[test]
    fn a_check_that_is_passed_again_ends_the_row_of_failures() {
        let outliers = Arc::new(Outliers::new(OutlierTerms::default(), 0));
        let (fitness, rules) = (Fitness::default(), RiseFall { healthy: 1, unhealthy: 1 });
        fitness.tell(Some(&outliers), 0, 7);
        fitness.be_checked(true);
        let fail = |times| (0..times).find_map(|_| fitness.record(|| 0, 1, Outcome::Connect));
        let most = OutlierTerms::default().consecutive_failures - 1;
        assert_eq!((fail(most), fitness.checked(rules, false)), (None, Some(Health::Unhealthy)));
        assert!(!fitness.is_usable());
        assert_eq!((fitness.checked(rules, true), fail(most)), (Some(Health::Healthy), None));
        assert!(fitness.is_usable() && fitness.is_well());
        assert!(matches!(fail(1), Some(Change::Ejected { endpoint: 7, .. })));
        assert!(!fitness.is_usable());
        // Watched by another detection, or by none, it begins anew.
        fitness.tell(None, 0, 7);
        assert!(fitness.is_usable());
    }
    #[test]
    fn a_check_that_ends_when_nobody_checks_any_more_says_nothing() {
        let (fitness, rules) = (Fitness::default(), RiseFall { healthy: 1, unhealthy: 1 });
        fitness.be_checked(true);
        assert_eq!(fitness.checked(rules, false), Some(Health::Unhealthy));
        // Configured again, with checks as before or others: what is known stays.
        fitness.be_checked(true);
        assert_eq!(fitness.health(), Health::Unhealthy);
        fitness.be_checked(false);
        assert_eq!((fitness.checked(rules, false), fitness.health()), (None, Health::Unknown));
        fitness.be_checked(true);
        assert_eq!(fitness.checked(rules, false), Some(Health::Unhealthy));
    }
}
