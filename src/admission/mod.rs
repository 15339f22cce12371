//! The decision to let a request in: what is cheap and certain first, what is charged last.

pub mod fair_share;
mod few;
pub mod quota;
mod rate;
mod standing;

pub use rate::{
    KeysReport, LimitedRoute, RATES_APPLYING_MAX, RateCharges, RateKey, RateLimits, RateLook, RatePolicy,
    RateReport, RateRequest, RateRule, RateRules, RateStates,
};
pub use standing::{Label, Standing, StandingList, Violation};
