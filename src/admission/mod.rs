//! The decision to let a request in: what is cheap and certain first, what is charged last.

mod access;
mod rate;

pub use access::Access;
pub use rate::{Charge, RateLimiter, RatePolicy, RateState};
