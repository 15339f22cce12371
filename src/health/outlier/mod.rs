//! Passive ejection: endpoints whose requests fail are left out for a while. Envoy's outlier detection, made aware
//! of tenants.
//!
//! # As Envoy
//! An endpoint is ejected at once when so many requests in a row failed there, and, at the end of each interval, when
//! its success rate is too far below the others' (`rate`). It stays away for the base time multiplied by the times
//! that it was ejected, up to a maximum; each interval that it serves takes one of these times back. Only a part of a
//! pool is ejected at a time; what exceeds it is *withheld*, and counted: requests still go there, but nobody should count on it. Failures of any kind count alike, whether
//! the endpoint said 5xx, or broke off, or said nothing in time. Results that come while it is ejected do not count.
//!
//! # Whose failure is it
//! Many tenants share an endpoint, and a request can fail because of what it asks. A tenant whose every request
//! fails would have one endpoint after another ejected, and take them from everyone. So before an endpoint is blamed
//! for failures, other explanations must be ruled out, and what rules them out is another tenant:
//!
//! | who fails at the endpoint | who succeeds | the fault lies with | so |
//! |---|---|---|---|
//! | everyone | nobody | the endpoint | the streak grows over tenants: ejected |
//! | one tenant | others | the tenant | each success of another ends the streak, which never has a second tenant |
//! | one tenant | nobody, others had traffic lately | unknown | waits for the next request of another: it ends the streak, or is the second tenant |
//! | one tenant | nobody, it is alone here | either | ejected: nobody else loses by it |
//! | some, each now and then | the same ones | the endpoint, by comparison | the success rate |
//!
//! *Consecutive failures* therefore eject when there are enough of them, since the last success of anyone, **and** they
//! come from at least `min_tenants` tenants, or from as many as used the endpoint at all in this window and the one
//! before. Failing to *connect* is different: nothing of a request had been sent, so no tenant can be the
//! cause. Enough of these in a row eject whoever asked; a connection that is made ends the row.
//!
//! For *success rates* the failures of the `min_tenants − 1` tenants that had most are taken away, at every endpoint,
//! before rates are compared: an endpoint is an outlier if it still is one without its worst tenant. (Failures to
//! connect stay.) A deviation alone is not enough: with all others at 100 % one failure in a thousand is far
//! below them. So there must be as many failures as would eject in a row.
//!
//! What this costs: an endpoint that is broken for all is ejected one request of a second tenant later than by
//! Envoy. What it does not do: it ends no tenant's failures. A circuit of a tenant's own would stand beside this, fed
//! by the same outcomes.
//!
//! # What it costs
//! Results come from all workers. A success touches no lock: on an endpoint that serves many tenants and did
//! not fail it is one relaxed load, and one addition if success rates are compared (`tally`). A success after a
//! failure only takes a flag back; the flag being gone tells the next failure that its streak begins. Failures and
//! ticks take the pool's lock, for a few dozen instructions. Memory is some 300 bytes an endpoint, however
//! many tenants there are: they are told apart by hashes, and only a few are remembered.

mod blame;
mod detector;
#[cfg(test)]
mod model_tests;
mod rate;
mod streak;
mod tally;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detector::Detector;
use tally::Tally;
pub use terms::{OutlierTerms, SuccessRate, TENANTS_MAX};

/// A pool's outlier detection, shared by all workers. Times are nanoseconds of one monotonic clock.
#[derive(Debug)]
pub struct Outliers(Mutex<Detector>);

/// An endpoint that is watched. Dropping it ends that, and forgets what was seen.
#[derive(Debug)]
#[must_use]
pub struct Watch {
    pool: Arc<Outliers>,
    tally: Arc<Tally>,
    place: usize,
}

/// What became of a request at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, and not with a server error.
    Success,
    /// There was no connection: refused, unreachable, timed out, TLS failed. Nothing of the request was sent.
    Connect,
    /// The connection broke.
    Reset,
    /// No answer came in time.
    Timeout,
    /// The answer was no HTTP.
    Malformed,
    /// The answer was a server error (500 to 599).
    Status,
}

/// Why an endpoint was ejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// It could not be connected to, so many times in a row.
    Connects(u32),
    /// So many requests in a row failed.
    Failures {
        /// How many.
        count: u32,
        /// Of how many tenants, up to [`TENANTS_MAX`].
        tenants: usize,
    },
    /// Its success rate was too far below the others'.
    SuccessRate {
        /// Its own, from 0 to 1, as compared.
        rate: f64,
        /// What it should have been at least.
        threshold: f64,
    },
}

/// What has changed for an endpoint, named by the number that [`Outliers::watch`] was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Nothing should be sent there, unless all endpoints are used regardless.
    Ejected {
        /// Which.
        endpoint: u64,
        /// Why.
        cause: Cause,
        /// Until when, in nanoseconds.
        until_ns: u64,
    },
    /// As above, but for `max_ejected_percent`: requests go there still. Whoever asks whether the pool can serve should not
    /// count on it.
    Withheld {
        /// Which.
        endpoint: u64,
        /// Why.
        cause: Cause,
        /// Until when, in nanoseconds, unless a request goes well before.
        until_ns: u64,
    },
    /// It may be used again, or counted on.
    Readmitted {
        /// Which.
        endpoint: u64,
    },
}

impl Outliers {
    /// Detection for a pool, watching nothing yet.
    #[must_use]
    pub fn new(terms: OutlierTerms, now_ns: u64) -> Self {
        Self(Mutex::new(Detector::new(terms, now_ns)))
    }

    /// Changes the terms. What is ejected stays so until its time.
    pub fn set_terms(&self, terms: OutlierTerms) {
        self.lock().set_terms(terms);
    }

    /// Watches an endpoint, named by any number, from now on.
    pub fn watch(self: &Arc<Self>, now_ns: u64, endpoint: u64) -> Watch {
        let tally = Arc::new(Tally::default());
        let place = self.lock().watch(now_ns, endpoint, Arc::clone(&tally));
        Watch { pool: Arc::clone(self), tally, place }
    }

    /// Does what time brings: windows end, ejections end. Due at [`Outliers::next_due`], harmless before.
    pub fn tick(&self, now_ns: u64) -> Vec<Change> {
        self.lock().tick(now_ns)
    }

    /// When to tick, in nanoseconds.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        self.lock().next_due()
    }

    /// How many endpoints are ejected.
    #[must_use]
    pub fn ejected(&self) -> usize {
        self.lock().ejected()
    }

    /// How many ejections were withheld because too many endpoints were ejected already. Counts each occasion.
    #[must_use]
    pub fn withheld(&self) -> u64 {
        self.lock().withheld()
    }

    /// Nothing under the lock can leave the detector half changed.
    fn lock(&self) -> MutexGuard<'_, Detector> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Whether it is this detection that watches.
    #[must_use]
    pub fn is_of(&self, outliers: &Arc<Outliers>) -> bool {
        Arc::ptr_eq(&self.pool, outliers)
    }

    /// Whether it is ejected. One load.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.tally.is_ejected()
    }

    /// Whether it would be ejected, but for those that are already. One load.
    #[must_use]
    pub fn is_ailing(&self) -> bool {
        self.tally.is_ailing()
    }

    /// The endpoint is known to be well, from elsewhere: what failed there before is over.
    pub fn forgive(&self) {
        self.tally.forgive();
    }

    /// Until when it is ejected, in nanoseconds. Takes the pool's lock: for showing, not for choosing.
    #[must_use]
    pub fn ejected_until(&self) -> Option<u64> {
        self.pool.lock().ejected_until(self.place)
    }

    /// A request of a tenant (any hash of its id) has ended here. `now_ns` is asked where something may change by it: not for
    /// the success of one that is well.
    pub fn record(&self, now_ns: impl FnOnce() -> u64, tenant: u64, outcome: Outcome) -> Option<Change> {
        // 0 stands for nobody.
        let tenant = tenant.max(1);
        if outcome == Outcome::Success {
            return match self.tally.succeed(tenant) {
                true => self.pool.lock().recover(now_ns(), self.place),
                false => None,
            };
        }
        self.pool.lock().fail(now_ns(), self.place, tenant, outcome)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.pool.lock().forget(self.place);
    }
}
