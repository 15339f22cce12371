//! Whether, when and how often a request is sent again.
//!
//! Three questions, each with a type of its own. *May it be repeated?* [`Conditions`]: what went wrong is something
//! that the pool retries, and what had been sent can have had no effect twice. *Can the pool bear it?*
//! [`Budget`]: retries are a small part of what is in flight, so that they can't finish off a pool that is ill.
//! *When?* [`Backoff`]. The loop that asks them stands above, in `proxy`; nothing here sends, waits or reads a clock.

mod backoff;
mod budget;
mod conditions;

pub use backoff::Backoff;
pub use budget::{Budget, BudgetTerms, Live, Retry};
pub use conditions::{Conditions, Failed, Sent};
