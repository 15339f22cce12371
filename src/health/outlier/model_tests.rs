//! A naive model of outlier detection: it keeps the whole history, and counts anew each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::tests::{Pool, S};
use super::*;

/// What has changed; why, where it was one request.
#[derive(Debug, PartialEq)]
enum Brief {
    Ejected(Option<Cause>),
    Withheld(Option<Cause>),
    Readmitted,
}

/// Remembers every result, and counts anew each time.
struct Model {
    terms: OutlierTerms,
    window: u64,
    endpoints: Vec<History>,
    withheld: u64,
}

#[derive(Default)]
struct History {
    /// Window, tenant, outcome, whether it happened while ejected; in order. `None` is an ejection or its end.
    results: Vec<Option<(u64, u64, Outcome, bool)>>,
    times: u64,
    until: Option<u64>,
    is_withheld: bool,
    usable_since: u64,
}

impl Model {
    fn interval(&self) -> u64 {
        self.terms.interval.as_nanos() as u64
    }

    fn record(&mut self, now: u64, at: usize, tenant: u64, outcome: Outcome) -> Option<Brief> {
        let window = self.window;
        let ejected = self.endpoints[at].until.is_some();
        self.endpoints[at].results.push(Some((window, tenant, outcome, ejected)));
        if outcome == Outcome::Success && self.endpoints[at].is_withheld {
            self.readmit(now, at);
            return Some(Brief::Readmitted);
        }
        if outcome == Outcome::Success || ejected {
            return None;
        }
        let ended = |result: &&Option<(u64, u64, Outcome, bool)>| {
            !matches!(result, None | Some((_, _, Outcome::Success, _)))
        };
        let streak: Vec<_> = self.endpoints[at].results.iter().rev().take_while(ended).flatten().collect();
        // Newest first: those to connect since something was last sent, and those that were sent.
        let connects = streak.iter().take_while(|result| result.2 == Outcome::Connect).count() as u32;
        let requests: Vec<_> = streak.into_iter().filter(|result| result.2 != Outcome::Connect).collect();
        let tenants = requests.iter().map(|result| result.1).collect::<BTreeSet<_>>().len();
        let needed = self.needed(at);
        let cause = if connects >= self.terms.consecutive_failures {
            Cause::Connects(connects)
        } else if requests.len() as u32 >= self.terms.consecutive_failures && tenants >= needed {
            Cause::Failures { count: requests.len() as u32, tenants: tenants.min(TENANTS_MAX) }
        } else {
            return None;
        };
        Some(match self.eject(now, at) {
            true => Brief::Ejected(Some(cause)),
            false => Brief::Withheld(Some(cause)),
        })
    }

    fn readmit(&mut self, now: u64, at: usize) {
        let history = &mut self.endpoints[at];
        (history.until, history.is_withheld, history.usable_since) = (None, false, now);
        history.results.push(None);
    }

    /// Tenants that were seen in this window or the last.
    fn needed(&self, at: usize) -> usize {
        let lately = |result: &&(u64, u64, Outcome, bool)| {
            result.0 + 1 >= self.window && (!result.3 || result.2 == Outcome::Success)
        };
        let seen = self.endpoints[at].results.iter().flatten().filter(lately).map(|result| result.1);
        self.terms.min_tenants.min(seen.collect::<BTreeSet<_>>().len()).max(1)
    }

    fn eject(&mut self, now: u64, at: usize) -> bool {
        let is_ejected = |history: &&History| history.until.is_some() && !history.is_withheld;
        let ejected = self.endpoints.iter().filter(is_ejected).count();
        let percent = 100 * (ejected + 1) / self.endpoints.len();
        let exact = 100 * (ejected + 1) % self.endpoints.len() == 0;
        let allowed = self.terms.max_ejected_percent as usize;
        let within = percent < allowed || (percent == allowed && exact);
        let withheld = allowed == 0 || (ejected > 0 && !within);
        self.withheld += u64::from(withheld);
        let (base, most) =
            (self.terms.base_ejection.as_nanos() as u64, self.terms.max_ejection.as_nanos() as u64);
        let history = &mut self.endpoints[at];
        if history.times == 0 || history.times * base < most {
            history.times += 1;
        }
        history.until = Some(now + (history.times * base).min(most));
        history.is_withheld = withheld;
        history.results.push(None);
        !withheld
    }

    fn tick(&mut self, now: u64, since: u64) -> Vec<(usize, Brief)> {
        let mut changes = Vec::new();
        for at in 0..self.endpoints.len() {
            if self.endpoints[at].until.is_some_and(|until| until <= now) {
                self.readmit(now, at);
                changes.push((at, Brief::Readmitted));
            }
        }
        let windows = (now - since) / self.interval();
        if windows == 0 {
            return changes;
        }
        for at in self.outliers() {
            changes.push(match self.eject(now, at) {
                true => (at, Brief::Ejected(None)),
                false => (at, Brief::Withheld(None)),
            });
        }
        let interval = self.interval();
        for history in self.endpoints.iter_mut().filter(|history| history.until.is_none()) {
            let whole = (0..windows).filter(|window| since + window * interval >= history.usable_since);
            history.times = history.times.saturating_sub(whole.count() as u64);
        }
        self.window += 1;
        changes
    }

    fn outliers(&self) -> Vec<usize> {
        let terms = self.terms.success_rate.unwrap();
        let mut samples = Vec::new();
        for (at, history) in self.endpoints.iter().enumerate().filter(|(_, history)| history.until.is_none())
        {
            let since_change = history.results.iter().rev().take_while(|result| result.is_some()).flatten();
            let (mut successes, mut connects, mut blamed) = (0, 0, BTreeMap::<u64, u64>::new());
            for (_, tenant, outcome, _) in since_change.filter(|result| result.0 == self.window) {
                match outcome {
                    Outcome::Success => successes += 1,
                    Outcome::Connect => connects += 1,
                    _ => *blamed.entry(*tenant).or_default() += 1,
                }
            }
            let mut blamed: Vec<u64> = blamed.into_values().collect();
            blamed.sort_unstable();
            blamed.truncate((blamed.len() + 1).saturating_sub(self.needed(at)));
            let failures = connects + blamed.iter().sum::<u64>();
            if successes + failures >= terms.min_requests.max(1) {
                samples.push((at, successes as f64 / (successes + failures) as f64, failures));
            }
        }
        let rates: Vec<f64> = samples.iter().map(|sample| sample.1).collect();
        let Some(threshold) = rate::threshold(&rates, &terms) else { return Vec::new() };
        samples
            .retain(|sample| sample.1 < threshold && sample.2 >= u64::from(self.terms.consecutive_failures));
        samples.sort_by(|a, b| a.1.total_cmp(&b.1));
        samples.into_iter().map(|sample| sample.0).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_a_model_with_all_of_history_does(
        consecutive_failures in 1..6_u32,
        min_tenants in 1..=TENANTS_MAX,
        max_ejected_percent in select(vec![0, 20, 50, 100]),
        endpoints in 1..6_usize,
        steps in vec((0..3_u64, 0..6_usize, 1..7_u64, select(vec![
            Outcome::Success, Outcome::Success, Outcome::Success, Outcome::Connect, Outcome::Reset, Outcome::Status,
        ]), 0..30_u8), 1..400),
    ) {
        let terms = OutlierTerms {
            consecutive_failures,
            success_rate: Some(SuccessRate { stdev_factor: 1.0, min_endpoints: 3, min_requests: 6 }),
            min_tenants,
            base_ejection: Duration::from_secs(25),
            max_ejection: Duration::from_secs(90),
            max_ejected_percent,
            interval: Duration::from_secs(10),
        };
        let pool = Pool::of(endpoints as u64, terms);
        let histories = (0..endpoints).map(|_| History::default()).collect();
        let mut model = Model { terms, window: 0, endpoints: histories, withheld: 0 };
        let (mut now, mut since) = (0, 0);
        for (passed, at, tenant, outcome, rest) in steps {
            now += passed * S / 4 + if rest == 0 { 35 * S } else { 0 };
            if now >= pool.outliers.next_due() {
                let changes = pool.outliers.tick(now);
                let brief = changes.iter().map(|change| match change {
                    Change::Ejected { endpoint, .. } => (*endpoint as usize, Brief::Ejected(None)),
                    Change::Withheld { endpoint, .. } => (*endpoint as usize, Brief::Withheld(None)),
                    Change::Readmitted { endpoint } => (*endpoint as usize, Brief::Readmitted),
                });
                prop_assert_eq!(brief.collect::<Vec<_>>(), model.tick(now, since));
                since += (now - since) / (10 * S) * (10 * S);
            }
            let at = at % endpoints;
            let expected = model.record(now, at, tenant, outcome);
            let change = pool.record(now, at, tenant, outcome);
            let until_ns = model.endpoints[at].until;
            let change = change.map(|change| match change {
                Change::Ejected { endpoint, cause, until_ns: until } => {
                    assert_eq!((endpoint, Some(until)), (at as u64, until_ns));
                    Brief::Ejected(Some(cause))
                }
                Change::Withheld { endpoint, cause, until_ns: until } => {
                    assert_eq!((endpoint, Some(until)), (at as u64, until_ns));
                    Brief::Withheld(Some(cause))
                }
                Change::Readmitted { .. } => Brief::Readmitted,
            });
            prop_assert_eq!(change, expected);
            for (watch, history) in pool.watches.iter().zip(&model.endpoints) {
                prop_assert_eq!(watch.ejected_until(), history.until.filter(|_| !history.is_withheld));
                prop_assert_eq!(watch.is_ejected(), history.until.is_some() && !history.is_withheld);
                prop_assert_eq!(watch.is_ailing(), history.is_withheld);
            }
            prop_assert_eq!(pool.outliers.withheld(), model.withheld);
        }
    }
}
