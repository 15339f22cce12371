//! The quotas that something has to be done for, and the way to the store.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::backend::{Backend, BackendError, Holdings, Lane, Order, Series};
use super::spec::OnOutage;
use super::state::QuotaState;
use crate::telemetry::QuotaMeter;
use crate::time::Clock;

/// How long a request waits for the store: a millisecond less than is promised, for that is what timers are late by.
const PATIENCE: Duration = Duration::from_millis(4);
/// The log has at most one line about an outage in this time.
const OUTAGE_LINES: Duration = Duration::from_secs(10);

/// What all quotas of a gateway share: the clock, the backend, and the list of those to be looked after. A state is
/// in the list at most once, so the list is no longer than there are states.
pub struct Roster {
    clock: Clock,
    meter: QuotaMeter,
    patience: Duration,
    backend: OnceLock<Arc<dyn Backend>>,
    active: Mutex<VecDeque<Arc<QuotaState>>>,
    /// What the store held when it was opened, until the states that it is of are made.
    held: Mutex<HashMap<Series, Vec<(i64, u64)>>>,
    outage: Mutex<Outage>,
    /// Requests that were decided without the store, by policy.
    decided: [AtomicU64; 2],
}

/// What is told of the store's failures.
#[derive(Debug, Default)]
struct Outage {
    error: Option<BackendError>,
    told: Option<Instant>,
    told_decided: [u64; 2],
}

impl Roster {
    /// No quotas yet, and no backend.
    #[must_use]
    pub fn new(clock: Clock, meter: QuotaMeter) -> Arc<Self> {
        Self::with_patience(clock, meter, PATIENCE)
    }

    /// As [`Roster::new`], where requests wait so long for the store.
    #[must_use]
    pub fn with_patience(clock: Clock, meter: QuotaMeter, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            clock,
            patience,
            meter,
            backend: OnceLock::new(),
            active: Mutex::default(),
            held: Mutex::default(),
            outage: Mutex::default(),
            decided: [AtomicU64::new(0), AtomicU64::new(0)],
        })
    }

    /// Connects the backend, for the life of the gateway: the first one stays.
    pub fn connect(&self, backend: Arc<dyn Backend>) {
        let _ = self.backend.set(backend);
    }

    /// Remembers what a store holds, for the states that are made from now on: so each knows from the start where it
    /// was, also if the store is slow to say so when the first request comes. See [`Roster::forget`].
    pub fn remember(&self, holdings: Vec<Holdings>) {
        locked(&self.held).extend(holdings.into_iter().map(|held| (held.series, held.periods)));
    }

    /// Forgets what of it no state has asked for.
    pub fn forget(&self) {
        std::mem::take(&mut *locked(&self.held));
    }

    /// Forgets these, where no state has asked for them.
    pub fn forget_of(&self, holdings: &[Holdings]) {
        let mut held = locked(&self.held);
        holdings.iter().for_each(|one| _ = held.remove(&one.series));
    }

    pub(super) fn recall(&self, series: &Series) -> Vec<(i64, u64)> {
        locked(&self.held).remove(series).unwrap_or_default()
    }

    /// The gateway's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Looks once after all that something has to be done for; for a control task, every `metering.flush`. At most
    /// as many orders are placed as the backend takes; the others come first at the next time.
    pub fn look_round(&self) {
        self.round(false);
        self.tell_outage(Instant::now());
    }

    /// Gives back and tells everything, for a gateway that ends. Whether there is more to do: then call it again, a few
    /// milliseconds later.
    #[must_use]
    pub fn close(&self) -> bool {
        self.round(true);
        !locked(&self.active).is_empty()
    }

    fn round(&self, closing: bool) {
        let at = Instant::now();
        let count = locked(&self.active).len();
        for _ in 0..count {
            let Some(state) = locked(&self.active).pop_front() else { return };
            if state.keep(at, closing) {
                locked(&self.active).push_back(state);
            }
            if self.refused_for_now() {
                return;
            }
        }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn look_after(&self, state: Arc<QuotaState>) {
        locked(&self.active).push_back(state);
    }

    pub(super) fn submit(&self, order: Order, lane: Lane) {
        match self.backend.get() {
            Some(backend) => backend.submit(order, lane),
            None => order.answer(Err(BackendError::Gone)),
        }
    }

    pub(super) fn store_answered(&self) {
        locked(&self.outage).error = None;
    }

    pub(super) fn store_failed(&self, error: BackendError) {
        locked(&self.outage).error = Some(error);
    }

    /// A request was decided by policy.
    pub(super) fn decided_without(&self, policy: OnOutage) {
        self.meter.decided_without(policy.as_str());
        if let Some(count) = self.decided.get(policy as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the backend has failed at its last answer.
    #[must_use]
    pub fn is_out(&self) -> bool {
        locked(&self.outage).error.is_some()
    }

    fn refused_for_now(&self) -> bool {
        locked(&self.outage).error == Some(BackendError::Full)
    }

    fn tell_outage(&self, at: Instant) {
        let mut outage = locked(&self.outage);
        let decided: [u64; 2] = std::array::from_fn(|policy| {
            self.decided.get(policy).map_or(0, |count| count.load(Ordering::Relaxed))
        });
        let news = outage.error.is_some() || decided != outage.told_decided;
        if !news || outage.told.is_some_and(|told| at.duration_since(told) < OUTAGE_LINES) {
            return;
        }
        let [local, deny] = decided;
        let [local_told, deny_told] = std::mem::replace(&mut outage.told_decided, decided);
        outage.told = Some(at);
        let error = outage.error.map_or_else(|| "it was slow".to_owned(), |error| error.to_string());
        drop(outage);
        tracing::error!(
            error,
            decided_locally = local.saturating_sub(local_told),
            denied = deny.saturating_sub(deny_told),
            "the quotas' store did not answer in time"
        );
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").field("active", &locked(&self.active).len()).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
