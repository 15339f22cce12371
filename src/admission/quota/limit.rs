//! A tenant's quota as its requests meet it: a configuration over a state.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::{Instant, timeout_at};

use super::spec::{Meter, OnExceed, OnOutage, QuotaSpec};
use super::state::{QuotaState, Taken};
use crate::admission::Standing;
use crate::telemetry::QuotaGauge;

/// A tenant's quota.
#[derive(Debug, Clone)]
pub struct Quota {
    spec: Arc<QuotaSpec>,
    state: Arc<QuotaState>,
}

/// What a quota says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on; what was charged for it has to be refunded if it doesn't.
    Admitted(Charged),
    /// It may not, and nothing was charged.
    Refused(Exceeded),
    /// The store has to be asked: see [`Quota::decide`].
    Undecided,
}

/// What was charged for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    units: u64,
    start_ms: i64,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Nothing: what it uses is known at its end.
    Not,
    /// From what is reserved.
    Reserved,
    /// Counted without a reservation.
    Counted,
    /// As `Counted`, and in the throttle.
    Throttled,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The quota is used up.
    UsedUp {
        /// Seconds until it may be worth to try again: at least 1, rounded up.
        wait_s: u64,
    },
    /// Nobody can tell in time, and the policy is to refuse.
    Unknown,
}

/// A quota's state, for people. Counts are requests, bytes or seconds, as the meter says.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaDescription {
    /// Its name.
    pub name: Arc<str>,
    /// What is counted: `requests`, `request_bytes`, `response_bytes` or `upstream_seconds`.
    pub meter: &'static str,
    /// How much there may be in a window.
    pub limit: u64,
    /// How much was used.
    pub used: u64,
    /// Units that are reserved in the store and not used yet.
    pub reserved: u64,
    /// The window and its time zone: `month Europe/Berlin`, `rolling 86400000ms`.
    pub window: String,
    /// When the present period began, in milliseconds since 1970.
    pub period_start_ms: i64,
    /// When it ends; of a rolling window, when the oldest units are given back.
    pub period_end_ms: i64,
    /// What happens past the limit: `reject`, `throttle` or `allow`.
    pub on_exceed: &'static str,
    /// From how much on it is warned.
    pub soft: Option<u64>,
    /// Whether that is passed.
    pub soft_passed: bool,
    /// What happens while the store doesn't answer: `local` or `deny`.
    pub on_outage: &'static str,
    /// Whether what the store holds is known; else `used` is this process's alone.
    pub known: bool,
    /// Whether the store did not answer at the last time.
    pub outage: bool,
}

impl Quota {
    /// A quota over a state, whose configuration this becomes.
    #[must_use]
    pub fn new(spec: Arc<QuotaSpec>, state: Arc<QuotaState>) -> Self {
        state.adopt(&spec);
        Self { spec, state }
    }

    /// Its configuration.
    #[must_use]
    pub fn spec(&self) -> &Arc<QuotaSpec> {
        &self.spec
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> &Arc<QuotaState> {
        &self.state
    }

    /// Charges a request, without waiting for anything.
    #[must_use]
    pub fn charge(&self, cost: NonZeroU32) -> Verdict {
        let units = u64::from(cost.get());
        let now_ms = self.state.roster.clock().unix_ms();
        if !self.spec.reserves() {
            return self.check(units, now_ms);
        }
        match self.state.take(units, now_ms) {
            Taken::Yes { start_ms } => Verdict::Admitted(Charged { units, start_ms, how: How::Reserved }),
            Taken::Dry => self.past_limit(units, now_ms),
            Taken::Ask => Verdict::Undecided,
        }
    }

    /// Charges a request and waits for the store where it has to, until the deadline at most: see
    /// [`Quota::deadline`]. Can be dropped at any time; then nothing was charged.
    pub fn decide(&self, cost: NonZeroU32, deadline: Instant) -> impl Future<Output = Verdict> + '_ {
        let units = u64::from(cost.get());
        async move {
            let _wanted = Wanted::new(&self.state.demand, units);
            loop {
                let mut answered = pin!(self.state.answers.notified());
                // From here on no answer is missed.
                answered.as_mut().enable();
                let verdict = self.charge(cost);
                if verdict != Verdict::Undecided {
                    return verdict;
                }
                let until = self.state.ask(std::time::Instant::now()).map(Instant::from_std);
                let waited = match until.map(|until| until.min(deadline)) {
                    Some(until) if until > Instant::now() => timeout_at(until, answered).await.is_ok(),
                    _ => false,
                };
                if !waited {
                    return self.without_store(cost);
                }
            }
        }
    }

    /// Until when requests that come now wait for the store.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.state.roster.patience()
    }

    /// Takes a charge back.
    pub fn refund(&self, charged: Charged) {
        let Charged { units, start_ms, how } = charged;
        match how {
            How::Not => {}
            How::Reserved if self.state.put_back(units, start_ms) => {}
            How::Reserved | How::Counted => self.state.take_back(units, start_ms),
            How::Throttled => {
                if let OnExceed::Throttle(throttle) = self.spec.on_exceed {
                    self.state.unthrottle(throttle);
                }
                self.state.take_back(units, start_ms);
            }
        }
    }

    /// Counts what an exchange has used, once it is over: bytes or microseconds, as the meter says.
    pub fn count(&self, units: u64) {
        if units == 0 || self.spec.meter == Meter::Requests {
            return;
        }
        if !self.state.period().contains(self.state.roster.clock().unix_ms()) {
            self.state.enter();
        }
        self.state.count(units);
    }

    /// How it stands: what is left in requests, bytes or whole seconds, and until when.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing_at(self.now_ms())
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.state.roster.clock().unix_ms()
    }

    pub(super) fn standing_at(&self, now_ms: i64) -> Standing {
        let remaining = self.spec.limit.saturating_sub(self.used(now_ms)) / self.spec.meter.scale();
        Standing { allowed: true, remaining, reset_s: self.wait_s(now_ms) }
    }

    /// Where the store would have to be asked, as far as is known without it: the seconds until units are free again, if
    /// there are too few for a request of this cost.
    pub(super) fn seems_used_up(&self, cost: NonZeroU32) -> Option<u64> {
        let now_ms = self.state.roster.clock().unix_ms();
        let used_up = self.used(now_ms).saturating_add(u64::from(cost.get())) > self.spec.limit;
        (used_up && self.spec.on_exceed == OnExceed::Reject).then(|| self.wait_s(now_ms))
    }

    /// Whether a request of this cost would be refused, as far as that is known without the store: the seconds until it would not.
    pub(super) fn seems_exceeded(&self, cost: NonZeroU32) -> Option<u64> {
        if self.spec.reserves() {
            return self.seems_used_up(cost);
        }
        let now_ms = self.now_ms();
        let used_up = self.state.known.load(Ordering::Acquire) && self.used(now_ms) >= self.spec.limit;
        (used_up && self.spec.on_exceed == OnExceed::Reject).then(|| self.wait_s(now_ms))
    }

    /// The percentage of the limit that is used, where the soft threshold is passed.
    #[must_use]
    pub fn warning(&self) -> Option<u64> {
        let soft = self.spec.soft?;
        let used = self.used(self.state.roster.clock().unix_ms());
        (used >= soft).then(|| used.saturating_mul(100) / self.spec.limit.max(1))
    }

    /// The share of the limit that is used: 1 is all of it, and there can be more.
    #[must_use]
    pub fn used_ratio(&self) -> f64 {
        let used = self.used(self.state.roster.clock().unix_ms());
        used as f64 / self.spec.limit.max(1) as f64
    }

    /// Its state, for people.
    #[must_use]
    pub fn describe(&self) -> QuotaDescription {
        let now_ms = self.state.roster.clock().unix_ms();
        let (spec, scale) = (&self.spec, self.spec.meter.scale());
        let used = self.used(now_ms);
        let period = spec.window.period(now_ms);
        let present = self.state.period() == period;
        let relief_ms = self.state.relief_ms.load(Ordering::Acquire);
        QuotaDescription {
            name: Arc::clone(&spec.name),
            meter: spec.meter.as_str(),
            limit: spec.limit / scale,
            used: used / scale,
            reserved: if present { self.state.units.load().left() / scale } else { 0 },
            window: spec.window.key(),
            period_start_ms: period.start_ms,
            period_end_ms: if spec.window.is_rolling() {
                relief_ms.max(period.end_ms)
            } else {
                period.end_ms
            },
            on_exceed: spec.on_exceed.as_str(),
            soft: spec.soft.map(|soft| soft / scale),
            soft_passed: spec.soft.is_some_and(|soft| used >= soft),
            on_outage: spec.on_outage.as_str(),
            known: self.state.known.load(Ordering::Acquire),
            outage: self.state.roster.is_out(),
        }
    }

    /// Units used in the window that the clock shows, which may not have begun for the state.
    fn used(&self, now_ms: i64) -> u64 {
        let present = self.state.period().contains(now_ms);
        if present || self.spec.window.is_rolling() { self.state.used() } else { 0 }
    }

    /// What is counted at the end, or never refused.
    fn check(&self, units: u64, now_ms: i64) -> Verdict {
        let state = &self.state;
        if !state.period().contains(now_ms) {
            state.enter();
        }
        let start_ms = state.period().start_ms;
        let requests = self.spec.meter == Meter::Requests;
        if self.spec.on_exceed == OnExceed::Allow {
            if requests {
                state.count(units);
            }
            let how = if requests { How::Counted } else { How::Not };
            return Verdict::Admitted(Charged { units, start_ms, how });
        }
        let known = state.known.load(Ordering::Acquire);
        if known && state.used() < self.spec.limit {
            Verdict::Admitted(Charged { units, start_ms, how: How::Not })
        } else if !known {
            Verdict::Undecided
        } else {
            self.past_limit(units, now_ms)
        }
    }

    fn past_limit(&self, units: u64, now_ms: i64) -> Verdict {
        match self.spec.on_exceed {
            OnExceed::Throttle(throttle) => {
                match self.state.throttled(throttle, self.state.roster.clock().now_ns()) {
                    Ok(()) => {
                        // Of what is counted at the end, only the throttle is charged now.
                        let units = if self.spec.meter == Meter::Requests { units } else { 0 };
                        if units > 0 {
                            self.state.count(units);
                        }
                        let start_ms = self.state.period().start_ms;
                        Verdict::Admitted(Charged { units, start_ms, how: How::Throttled })
                    }
                    Err(wait) => {
                        let wait_s = wait.as_nanos().div_ceil(1_000_000_000) as u64;
                        Verdict::Refused(Exceeded::UsedUp { wait_s: wait_s.clamp(1, self.wait_s(now_ms)) })
                    }
                }
            }
            _ => Verdict::Refused(Exceeded::UsedUp { wait_s: self.wait_s(now_ms) }),
        }
    }

    /// The store has not answered in time.
    pub(super) fn without_store(&self, cost: NonZeroU32) -> Verdict {
        let units = u64::from(cost.get());
        let verdict = match (self.spec.on_outage, self.spec.reserves()) {
            (OnOutage::Deny, _) => Verdict::Refused(Exceeded::Unknown),
            (OnOutage::Local, true) => match self.state.lend(units) {
                Some(start_ms) => Verdict::Admitted(Charged { units, start_ms, how: How::Counted }),
                None => self.past_limit(units, self.state.roster.clock().unix_ms()),
            },
            (OnOutage::Local, false) if self.state.used() < self.spec.limit => {
                let start_ms = self.state.period().start_ms;
                Verdict::Admitted(Charged { units, start_ms, how: How::Not })
            }
            (OnOutage::Local, false) => self.past_limit(units, self.state.roster.clock().unix_ms()),
        };
        self.state.roster.decided_without(self.spec.on_outage);
        verdict
    }

    /// Seconds until units are free again: rounded up, and at least one.
    fn wait_s(&self, now_ms: i64) -> u64 {
        let relief_ms = self.state.relief_ms.load(Ordering::Acquire);
        let relief_ms = if self.spec.window.is_rolling() || self.state.period().contains(now_ms) {
            relief_ms
        } else {
            self.spec.window.period(now_ms).end_ms
        };
        let wait_ms = u64::try_from(relief_ms.saturating_sub(now_ms)).unwrap_or(0);
        wait_ms.div_ceil(1_000).max(1)
    }
}

impl QuotaGauge for Quota {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn used_ratio(&self) -> f64 {
        self.used_ratio()
    }

    fn soft_exceeded(&self) -> Option<bool> {
        let used = self.used(self.state.roster.clock().unix_ms());
        self.spec.soft.map(|soft| used >= soft)
    }
}

/// Units that a request waits for, as long as it does.
pub(super) struct Wanted<'a>(&'a AtomicU64, u64);

impl<'a> Wanted<'a> {
    pub(super) fn new(demand: &'a AtomicU64, units: u64) -> Self {
        demand.fetch_add(units, Ordering::AcqRel);
        Self(demand, units)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}
