//! Rate limits: the generic cell rate algorithm, in one word a limit and tenant, or a limit and key of a tenant.
//!
//! The state lives apart from the limit that reads it: a reload makes new limits over the old states, so that none is
//! ever reset by changing another line, and a changed rate neither forgets nor invents a unit (see [`gcra`]). What all
//! tenants of a plan have in common, the time that passes at the rule's pace too, is their rules'.
//!
//! A request is charged to all limits that apply, or to none. Until it is let in for good its charges are held by a
//! [`RateCharges`], which gives them back when it is dropped.

#[cfg(test)]
mod bucket_tests;
mod cell;
mod charges;
mod gcra;
mod keys;
mod limits;
mod overflow;
mod report;
mod rule;
mod shard;
#[cfg(test)]
mod shard_tests;
mod states;
#[cfg(test)]
mod tests;

pub use charges::RateCharges;
pub use gcra::RatePolicy;
pub use keys::RateKey;
pub use limits::{RateLimits, RateRequest};
pub use report::{KeysReport, RateLook, RateReport};
pub use rule::{LimitedRoute, RATES_APPLYING_MAX, RateRule, RateRules};
pub use states::RateStates;
