//! Which endpoints of a pool can serve: what active checks say ([`RiseFall`]), what the pool's own traffic
//! says ([`Outliers`]), and what is done when too few are left ([`panics`], [`Failover`]).
//!
//! Stands between balancing, which reads a flag, and what observes endpoints: checks and finished requests.
//! Pure: time and randomness are arguments, nothing here connects, waits or logs. Which endpoint is used, and how
//! slowly one that came back is loaded again, is the owner's to decide.

mod check;
mod failover;
mod outlier;
mod threshold;

pub use check::{Health, RiseFall, Verdicts, first_check, next_check};
pub use failover::Failover;
pub use outlier::{Cause, Change, Outcome, OutlierTerms, Outliers, SuccessRate, TENANTS_MAX, Watch};
pub use threshold::panics;
