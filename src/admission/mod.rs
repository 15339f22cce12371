//! The decision to let a request in: what is cheap and certain first, what is charged last.

mod access;
pub mod fair_share;
mod rate;

pub use access::Access;
pub use rate::{Charge, RateLimiter, RatePolicy, RateState};
