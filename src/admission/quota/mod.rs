//! Quotas: how much a tenant may use in a window of time, counted durably.
//!
//! **Requests** are exact. Units are reserved in the store in blocks before they are used, and a request is let in
//! by taking units from a block: a compare-and-swap, without lock, allocation or I/O. The next block is ordered
//! before the present one is used up. So whatever happens to the process, no more requests are let in than the store has
//! reserved, which is never more than the limit; a process that is killed forfeits what was left of its block.
//!
//! **Bytes and seconds** are known when an exchange is over. They are checked at its beginning (is the limit reached?),
//! added at its end, and told to the store every `metering.flush`. A tenant can so use more than the limit by
//! what is in flight when it is reached, and a process that is killed forgets what it had not told.
//!
//! ```text
//! charges   Quotas: all of a tenant; QuotaCharges: what a request was charged, given back unless kept
//! limit     Quota: a configuration over a state; charge, decide, refund, count
//! state     QuotaState: what is used, shared by all workers (units: the word that is charged)
//! keeping   the same under its lock: periods, orders, answers (ledger: what is under it; block: how large)
//! roster    all of them: what is to be done now and then, the way to the backend
//! backend   the seam: Order, Grant        spec, window: the configuration, in types
//! ```
//!
//! Nothing here knows a tenant's configuration or does I/O.

mod backend;
mod block;
mod charges;
mod keeping;
mod ledger;
mod limit;
mod roster;
mod spec;
mod state;
#[cfg(test)]
mod tests;
mod units;
mod window;

pub use backend::{Backend, BackendError, Change, Grant, Holdings, Lane, Order, Series};
pub use charges::{QUOTAS_MAX, QuotaCharges, QuotaRefusal, Quotas, Used};
pub use limit::{Charged, Exceeded, Quota, QuotaDescription, Verdict};
pub use roster::Roster;
pub use spec::{LIMIT_MAX, Meter, OnExceed, OnOutage, QuotaSpec, Throttle};
pub use state::QuotaState;
pub use window::{CalendarUnit, Period, SLOTS, Window};
