//! Rate limits: the generic cell rate algorithm, in one word a limit and tenant.
//!
//! The state lives apart from the limit that reads it: a reload makes a new limit over the old state, so that no limit is
//! ever reset by changing another line, and a changed rate neither forgets nor invents a unit (see [`gcra`]).
//!
//! A request is charged to all limits that apply, or to none. Until it is let in for good its charges are held by a
//! [`RateCharges`], which gives them back when it is dropped.

mod cell;
mod charges;
mod gcra;
mod limit;
mod limits;
#[cfg(test)]
mod tests;

pub use cell::RateState;
pub use charges::RateCharges;
pub use gcra::RatePolicy;
pub use limit::{RateDefinition, RateLimit};
pub use limits::{APPLYING_MAX, RateLimits};
