//! The pure core: what failures and time make of the endpoints of a pool.

use std::sync::Arc;

use slab::Slab;

use super::blame::Blame;
use super::rate;
use super::streak::{Streak, Tenants};
use super::tally::Tally;
use super::{Cause, Change, Outcome, OutlierTerms, TENANTS_MAX};

/// A pool's endpoints, and the window that runs.
#[derive(Debug)]
pub(super) struct Detector {
    terms: OutlierTerms,
    endpoints: Slab<Endpoint>,
    ejected: usize,
    withheld: u64,
    window_since_ns: u64,
}

/// What is known of an endpoint, beside its tally.
#[derive(Debug)]
struct Endpoint {
    name: u64,
    tally: Arc<Tally>,
    streak: Streak,
    /// Failures in this window whose cause can be the request.
    blame: Blame,
    /// Failures in this window whose cause cannot be.
    connects: u64,
    /// Who was seen in the window before.
    before: [u64; TENANTS_MAX],
    /// How many times the base time the last ejection took, less what good behaviour took off.
    times: u32,
    /// Until when it is ejected; or would be, but for those that are already.
    until_ns: Option<u64>,
    is_withheld: bool,
    usable_since_ns: u64,
}

impl Detector {
    pub(super) fn new(terms: OutlierTerms, now_ns: u64) -> Self {
        Self { terms, endpoints: Slab::new(), ejected: 0, withheld: 0, window_since_ns: now_ns }
    }

    pub(super) fn set_terms(&mut self, terms: OutlierTerms) {
        self.terms = terms;
        self.endpoints
            .iter()
            .for_each(|(_, endpoint)| endpoint.tally.set_counting(terms.success_rate.is_some()));
    }

    pub(super) fn watch(&mut self, now_ns: u64, name: u64, tally: Arc<Tally>) -> usize {
        tally.set_counting(self.terms.success_rate.is_some());
        self.endpoints.insert(Endpoint {
            name,
            tally,
            streak: Streak::default(),
            blame: Blame::default(),
            connects: 0,
            before: [0; TENANTS_MAX],
            times: 0,
            until_ns: None,
            is_withheld: false,
            usable_since_ns: now_ns,
        })
    }

    pub(super) fn forget(&mut self, place: usize) {
        let gone = self.endpoints.try_remove(place);
        self.ejected -= usize::from(gone.is_some_and(|endpoint| endpoint.is_ejected()));
    }

    pub(super) fn ejected(&self) -> usize {
        self.ejected
    }

    pub(super) fn withheld(&self) -> u64 {
        self.withheld
    }

    pub(super) fn ejected_until(&self, place: usize) -> Option<u64> {
        let endpoint = self.endpoints.get(place)?;
        endpoint.until_ns.filter(|_| !endpoint.is_withheld)
    }

    pub(super) fn fail(
        &mut self,
        now_ns: u64,
        place: usize,
        tenant: u64,
        outcome: Outcome,
    ) -> Option<Change> {
        let endpoint = self.endpoints.get_mut(place)?;
        if endpoint.until_ns.is_some() {
            return None;
        }
        endpoint.add(tenant, outcome);
        let cause = endpoint.accused(&self.terms)?;
        self.eject(now_ns, place, cause)
    }

    /// One that would be ejected has served.
    pub(super) fn recover(&mut self, now_ns: u64, place: usize) -> Option<Change> {
        let endpoint = self.endpoints.get_mut(place).filter(|endpoint| endpoint.is_withheld)?;
        endpoint.readmit(now_ns);
        Some(Change::Readmitted { endpoint: endpoint.name })
    }

    pub(super) fn tick(&mut self, now_ns: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for (_, endpoint) in &mut self.endpoints {
            if endpoint.until_ns.is_some_and(|until_ns| until_ns <= now_ns) {
                self.ejected -= usize::from(endpoint.is_ejected());
                endpoint.readmit(now_ns);
                changes.push(Change::Readmitted { endpoint: endpoint.name });
            }
        }
        let interval_ns = self.terms.interval_ns();
        let windows = now_ns.saturating_sub(self.window_since_ns) / interval_ns;
        if windows > 0 {
            self.compare(now_ns, &mut changes);
            let since_ns = self.window_since_ns;
            for (_, endpoint) in &mut self.endpoints {
                let late = endpoint.usable_since_ns.saturating_sub(since_ns).div_ceil(interval_ns);
                endpoint.turn(windows.saturating_sub(late));
            }
            self.window_since_ns = since_ns.saturating_add(windows.saturating_mul(interval_ns));
        }
        changes
    }

    pub(super) fn next_due(&self) -> u64 {
        let window_ends_ns = self.window_since_ns.saturating_add(self.terms.interval_ns());
        let ejections = self.endpoints.iter().filter_map(|(_, endpoint)| endpoint.until_ns);
        ejections.fold(window_ends_ns, u64::min)
    }

    /// Ejects whose success rate is too far below the others', worst first.
    fn compare(&mut self, now_ns: u64, changes: &mut Vec<Change>) {
        let Some(terms) = self.terms.success_rate else { return };
        let mut samples: Vec<_> = self
            .endpoints
            .iter()
            .filter_map(|(place, endpoint)| {
                let (successes, failures) = endpoint.sample(&self.terms)?;
                let requests = successes + failures;
                let enough = requests > 0 && requests >= terms.min_requests;
                enough.then(|| (place, successes as f64 / requests as f64, failures))
            })
            .collect();
        let rates: Vec<f64> = samples.iter().map(|(_, rate, _)| *rate).collect();
        let Some(threshold) = rate::threshold(&rates, &terms) else { return };
        samples.sort_by(|(_, a, _), (_, b, _)| a.total_cmp(b));
        for (place, rate, failures) in samples {
            if rate < threshold && failures >= u64::from(self.terms.consecutive_failures) {
                changes.extend(self.eject(now_ns, place, Cause::SuccessRate { rate, threshold }));
            }
        }
    }

    fn eject(&mut self, now_ns: u64, place: usize, cause: Cause) -> Option<Change> {
        let has_room = self.terms.has_room(self.ejected, self.endpoints.len());
        let endpoint = self.endpoints.get_mut(place)?;
        let until_ns = now_ns.saturating_add(endpoint.eject(&self.terms, has_room));
        endpoint.until_ns = Some(until_ns);
        Some(if has_room {
            self.ejected += 1;
            Change::Ejected { endpoint: endpoint.name, cause, until_ns }
        } else {
            self.withheld += 1;
            Change::Withheld { endpoint: endpoint.name, cause, until_ns }
        })
    }
}

impl Endpoint {
    fn is_ejected(&self) -> bool {
        self.until_ns.is_some() && !self.is_withheld
    }

    fn add(&mut self, tenant: u64, outcome: Outcome) {
        if !self.tally.fail(tenant) {
            self.streak = Streak::default();
        }
        self.streak.add(tenant, outcome);
        match outcome {
            Outcome::Connect => self.connects += 1,
            _ => self.blame.add(tenant),
        }
    }

    /// Whether the streak is the endpoint's fault.
    fn accused(&self, terms: &OutlierTerms) -> Option<Cause> {
        let Streak { connects, failures, .. } = self.streak;
        let enough = |count: u32| terms.consecutive_failures > 0 && count >= terms.consecutive_failures;
        let tenants = self.streak.tenants();
        if enough(connects) {
            Some(Cause::Connects(connects))
        } else if enough(failures) && tenants >= self.tenants_needed(terms) {
            Some(Cause::Failures { count: failures, tenants })
        } else {
            None
        }
    }

    /// How many tenants have to fail: no more than there lately were.
    fn tenants_needed(&self, terms: &OutlierTerms) -> usize {
        let mut seen = Tenants::from(self.tally.seen());
        self.before.iter().filter(|tenant| **tenant != 0).for_each(|tenant| seen.add(*tenant));
        terms.min_tenants.min(seen.len()).max(1)
    }

    /// Successes and failures of this window, as they are compared.
    fn sample(&self, terms: &OutlierTerms) -> Option<(u64, u64)> {
        let blamed = self.blame.without(self.tenants_needed(terms) - 1);
        self.until_ns.is_none().then(|| (self.tally.successes(), self.connects + blamed))
    }

    /// Marks it ejected, or, where there is no room for that, as one that would be; for how many nanoseconds.
    fn eject(&mut self, terms: &OutlierTerms, has_room: bool) -> u64 {
        self.is_withheld = !has_room;
        match has_room {
            true => self.tally.set_ejected(true),
            false => self.tally.set_ailing(),
        }
        // No further than to the maximum: else good behaviour would take forever to count.
        if self.times == 0 || terms.ejection_ns(self.times) < terms.ejection_ns(u32::MAX) {
            self.times += 1;
        }
        terms.ejection_ns(self.times)
    }

    fn readmit(&mut self, now_ns: u64) {
        self.until_ns = None;
        self.is_withheld = false;
        self.usable_since_ns = now_ns;
        self.blame = Blame::default();
        self.connects = 0;
        self.tally.set_ejected(false);
    }

    /// Begins another window; in so many whole ones it could be used.
    fn turn(&mut self, windows_usable: u64) {
        if self.until_ns.is_none() {
            self.times = self.times.saturating_sub(u32::try_from(windows_usable).unwrap_or(u32::MAX));
        }
        self.before = self.tally.seen();
        self.tally.begin();
        self.blame = Blame::default();
        self.connects = 0;
    }
}
