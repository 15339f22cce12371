//! Keeping a quota's state in step with the store and the calendar: periods that end, blocks that are ordered,
//! answers that come. All of it under one short lock a quota, never across an await or I/O.
//!
//! ```text
//!             order(want, spent, changes)            answer(granted, used)
//! requests ──────────────────────────────> backend ────────────────────────> units left
//! ```
//!
//! Why the limit holds, whatever happens: for each period, what the store holds covers everything that was handed out
//! here as reserved; and what is handed out without a reservation, in an outage, is only handed out while all
//! that is committed stays within the limit. A crash can lose what is committed and not yet stored (that is what
//! `on_outage: deny` rules out), and it leaves behind what is stored and not used, which is never used again. An answer
//! is late when its period has ended: then what it grants is given back.

use std::sync::atomic::Ordering;
use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

use super::backend::{BackendError, Grant, Lane, Order};
use super::ledger::{Ledger, UnderWay};
use super::spec::QuotaSpec;
use super::state::QuotaState;

/// How long the store is left alone after a failure.
const RETRY: Duration = Duration::from_millis(200);
/// For how long the rest of a block is kept by a tenant that asks for nothing.
const IDLE: Duration = Duration::from_secs(300);

impl QuotaState {
    /// Brings a configuration into force: what is used stays used, and what is reserved beyond a lower limit is
    /// given back.
    pub fn adopt(self: &Arc<Self>, spec: &Arc<QuotaSpec>) {
        let mut ledger = self.ledger();
        ledger.spec = Arc::clone(spec);
        ledger.told = false;
        self.limit.store(spec.limit, Ordering::Release);
        drop(ledger);
        self.trim();
    }

    /// Gives back what is reserved beyond the limit.
    pub(super) fn trim(self: &Arc<Self>) {
        let mut ledger = self.ledger();
        let spec = Arc::clone(&ledger.spec);
        let beyond = if spec.reserves() { self.committed().saturating_sub(spec.limit) } else { u64::MAX };
        let given_back = self.units.withdraw(beyond);
        self.owe(&mut ledger, self.period().start_ms, -signed(given_back));
        self.units.grant(0, self.committed() >= spec.limit);
        drop(ledger);
        if given_back > 0 {
            self.activate();
        }
    }

    /// Sees to it that the store is asked, and tells until when a request may wait for the answer. `None`: it has
    /// waited long enough, or failed just now.
    pub fn ask(self: &Arc<Self>, at: Instant) -> Option<Instant> {
        let mut ledger = self.ledger();
        self.enter_period(&mut ledger);
        let order = if ledger.may_order(at) {
            Some(self.order(&mut ledger, at, Lane::Urgent))
        } else if ledger.order.is_none() {
            return None;
        } else {
            None
        };
        let since =
            ledger.order.map_or(at, |order| if order.lane == Lane::Urgent { order.since } else { at });
        drop(ledger);
        self.send(order, Lane::Urgent);
        Some(since + self.roster.patience()).filter(|until| *until > at)
    }

    /// Orders the next block before the present one is used up. Waits for no lock: whoever holds it sees to it.
    pub(super) fn prefetch(self: &Arc<Self>) {
        if self.asked.load(Ordering::Acquire) {
            return;
        }
        let mut ledger = match self.ledger.try_lock() {
            Ok(ledger) => ledger,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let at = Instant::now();
        let order = ledger.may_order(at).then(|| self.order(&mut ledger, at, Lane::Urgent));
        drop(ledger);
        self.send(order, Lane::Urgent);
    }

    /// Makes the present period the one that the clock says.
    pub(super) fn enter(self: &Arc<Self>) {
        self.enter_period(&mut self.ledger());
        self.activate();
    }

    /// Units that were charged, without a reservation or in a period that has ended, were not used after all.
    pub(super) fn take_back(self: &Arc<Self>, units: u64, start_ms: i64) {
        let mut ledger = self.ledger();
        let mut units = units;
        if self.period().start_ms == start_ms {
            // What the store has not been told of need not be told.
            let taken = |unsettled: u64| Some(unsettled.saturating_sub(units));
            let unsettled = self.unsettled.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken);
            units = units.saturating_sub(unsettled.unwrap_or(0));
        }
        self.owe(&mut ledger, start_ms, -signed(units));
        drop(ledger);
        self.activate();
    }

    /// Hands out units without a reservation, while all that is committed stays within the limit.
    pub(super) fn lend(self: &Arc<Self>, units: u64) -> Option<i64> {
        let mut ledger = self.ledger();
        self.enter_period(&mut ledger);
        if self.committed().saturating_add(units) > ledger.spec.limit {
            return None;
        }
        self.unsettled.fetch_add(units, Ordering::AcqRel);
        drop(ledger);
        self.activate();
        Some(self.period().start_ms)
    }

    /// What has to be done now and then. `closing`: everything is given back. Whether there will be more to do.
    pub(super) fn keep(self: &Arc<Self>, at: Instant, closing: bool) -> bool {
        // Before looking: what comes up from now on activates it again.
        self.active.store(false, Ordering::Release);
        let mut ledger = self.ledger();
        self.tell_threshold(&mut ledger);
        if !self.period().contains(self.roster.clock().unix_ms()) {
            self.enter_period(&mut ledger);
        }
        let left = self.units.load().left();
        let quiet_since = match ledger.quiet {
            Some((before, since)) if before == left => since,
            _ => at,
        };
        ledger.quiet = Some((left, quiet_since));
        if left > 0 && (closing || at.duration_since(quiet_since) >= IDLE) {
            let given_back = self.units.withdraw(u64::MAX);
            self.owe(&mut ledger, self.period().start_ms, -signed(given_back));
        }
        let unknown = !self.known.load(Ordering::Acquire) && !closing;
        let to_tell = !ledger.owed.is_empty() || self.unsettled.load(Ordering::Acquire) > 0 || unknown;
        let order = (to_tell && ledger.may_order(at)).then(|| self.order(&mut ledger, at, Lane::Background));
        let more = to_tell || ledger.order.is_some() || self.units.load().left() > 0;
        drop(ledger);
        self.send(order, Lane::Background);
        more && !self.active.swap(true, Ordering::AcqRel)
    }

    /// Gives back what is reserved, at once: nobody will ask for it soon.
    pub fn rest(self: &Arc<Self>) {
        let mut ledger = self.ledger();
        let given_back = self.units.withdraw(u64::MAX);
        self.owe(&mut ledger, self.period().start_ms, -signed(given_back));
        drop(ledger);
        if given_back > 0 {
            self.activate();
        }
    }

    /// Whether forgetting it changes nothing.
    #[must_use]
    pub fn is_rested(&self) -> bool {
        let ledger = self.ledger();
        ledger.owed.is_empty()
            && ledger.order.is_none()
            && self.units.load().left() == 0
            && self.unsettled.load(Ordering::Acquire) == 0
    }

    /// Takes the store's answer.
    pub(super) fn answered(self: &Arc<Self>, order: &mut Order, answer: Result<Grant, BackendError>) {
        let mut ledger = self.ledger();
        ledger.order = None;
        let present = self.units.load().epoch() == order.epoch;
        match answer {
            Ok(grant) => {
                ledger.retry_at = None;
                self.roster.store_answered();
                if present {
                    self.sending.store(0, Ordering::Release);
                    self.granted(&mut ledger, order, grant);
                } else {
                    // Another period has begun.
                    ledger.owe(order.start_ms, -signed(grant.granted));
                }
            }
            Err(error) => {
                ledger.retry_at = Some(Instant::now() + RETRY);
                self.roster.store_failed(error);
                for change in order.changes.drain(..) {
                    ledger.owe(change.start_ms, change.units);
                }
                if present {
                    self.sending.store(0, Ordering::Release);
                    self.unsettled.fetch_add(order.spent, Ordering::AcqRel);
                } else {
                    ledger.owe(order.start_ms, signed(order.spent));
                }
            }
        }
        self.asked.store(false, Ordering::Release);
        drop(ledger);
        self.activate();
        self.answers.notify_waiters();
    }

    fn granted(&self, ledger: &mut Ledger, order: &Order, grant: Grant) {
        let spec = Arc::clone(&ledger.spec);
        let period = self.period();
        let pending: i64 =
            ledger.owed.iter().filter(|change| self.counts(&spec, change.start_ms)).map(|c| c.units).sum();
        self.stored.store(grant.used.saturating_add_signed(pending), Ordering::Release);
        self.known.store(true, Ordering::Release);
        // What was lent meanwhile, or a limit that was lowered, may have taken the place of what was granted.
        let beyond = self.committed().saturating_sub(spec.limit).min(grant.granted);
        self.owe(ledger, order.start_ms, -signed(beyond));
        let relief_ms = match grant.oldest_ms {
            Some(oldest_ms) => spec.window.released_ms(oldest_ms, period),
            None => period.end_ms,
        };
        self.relief_ms.store(relief_ms, Ordering::Release);
        if order.want > 0 {
            self.low_water.store(order.want / 2, Ordering::Relaxed);
        }
        self.units.grant(grant.granted - beyond, self.committed() >= spec.limit);
    }

    /// An order of all that the store has to be told, and of a block where units are reserved and asked for.
    fn order(self: &Arc<Self>, ledger: &mut Ledger, at: Instant, lane: Lane) -> Order {
        let spec = Arc::clone(&ledger.spec);
        let period = self.period();
        let want = if spec.reserves() && lane == Lane::Urgent {
            let lasted = ledger.last_block.replace(at).map(|last| at.duration_since(last));
            let remaining = spec.limit.saturating_sub(self.committed());
            let block = ledger.block.next(lasted, spec.limit, remaining);
            block.max(self.demand.load(Ordering::Acquire))
        } else {
            0
        };
        let spent = self.unsettled.swap(0, Ordering::AcqRel);
        self.sending.store(spent, Ordering::Release);
        let epoch = self.units.load().epoch();
        let mut order = Order::new(Arc::clone(self), epoch, period.start_ms, spec.limit, want);
        order.spent = spent;
        order.changes = ledger.owed.drain(..).collect();
        order.counts_from_ms = spec.window.counts_from_ms(period);
        order.counts_later = spec.window.is_rolling();
        order.keep = spec.window.kept_periods();
        ledger.order = Some(UnderWay { since: at, lane });
        self.asked.store(true, Ordering::Release);
        order
    }

    fn send(self: &Arc<Self>, order: Option<Order>, lane: Lane) {
        if let Some(order) = order {
            self.roster.submit(order, lane);
        }
    }

    /// Ends the present period where the clock says so, also when the clock was put back.
    fn enter_period(&self, ledger: &mut Ledger) {
        // Not by the turn's time: another worker may have entered the next one since, and none goes back.
        let now_ms = self.roster.clock().unix_ms_anew();
        let old = self.period();
        if old.contains(now_ms) {
            return;
        }
        let spec = Arc::clone(&ledger.spec);
        let new = spec.window.period(now_ms);
        // Said before the epoch ends: who sees the new epoch must not take what was known for what is.
        let known = self.known.swap(false, Ordering::AcqRel);
        let rest = self.units.renew().left();
        self.owe(ledger, old.start_ms, -signed(rest));
        let unsettled = self.unsettled.swap(0, Ordering::AcqRel);
        self.owe(ledger, old.start_ms, signed(unsettled));
        // What is on its way is the old period's, too.
        let held = self.stored.load(Ordering::Acquire) + self.sending.swap(0, Ordering::AcqRel);
        let held = ledger.exchange_period(old, held, new);
        self.stored.store(held, Ordering::Release);
        self.relief_ms.store(ledger.relief_ms(new), Ordering::Release);
        ledger.told &= spec.window.is_rolling();
        self.set_period(new);
        // Of a later period those who may use a little more than the limit need no word of the store.
        self.known.store(known && !spec.reserves() && new.start_ms > old.start_ms, Ordering::Release);
    }

    /// Owes the store a change, which counts here from now on.
    fn owe(&self, ledger: &mut Ledger, start_ms: i64, units: i64) {
        if units == 0 {
            return;
        }
        ledger.owe(start_ms, units);
        if let Some((_, past)) = ledger.past.iter_mut().find(|(past_ms, _)| *past_ms == start_ms) {
            *past = past.saturating_add_signed(units);
        }
        if self.counts(&ledger.spec, start_ms) {
            let add = |stored: u64| Some(stored.saturating_add_signed(units));
            let _ = self.stored.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        }
    }

    /// Whether a period counts in the present window.
    fn counts(&self, spec: &QuotaSpec, start_ms: i64) -> bool {
        let period = self.period();
        if spec.window.is_rolling() {
            start_ms >= spec.window.counts_from_ms(period)
        } else {
            start_ms == period.start_ms
        }
    }

    /// Writes one line a window into the log when the soft threshold is passed.
    fn tell_threshold(&self, ledger: &mut Ledger) {
        let spec = &ledger.spec;
        let Some(soft) = spec.soft else { return };
        let used = self.used();
        if used < soft {
            // In a rolling window use falls, too.
            ledger.told = false;
        } else if !ledger.told {
            let (tenant, scale) = (&self.series().tenant, spec.meter.scale());
            let (used, limit) = (used / scale, spec.limit / scale);
            tracing::warn!(%tenant, quota = &*spec.name, used, limit, "quota: the soft threshold is passed");
            ledger.told = true;
        }
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}
