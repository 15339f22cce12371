//! The decision to let a request in: what is cheap and certain first, what is charged last.

mod access;
pub mod fair_share;
pub mod quota;
mod rate;
mod standing;

pub use access::Access;
pub use rate::{APPLYING_MAX, RateCharges, RateDefinition, RateLimit, RateLimits, RatePolicy, RateState};
pub use standing::{Label, Standing, StandingList, Violation};
