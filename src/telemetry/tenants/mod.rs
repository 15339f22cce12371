//! What is metered of each tenant: on every request's way, at its start and at its end.
//!
//! A meter is a part of what outlives its tenant's configuration, and found with it, so that recording a request looks
//! nothing up, allocates nothing and locks nothing. Who has all tenants tells of them when that is asked for: see
//! [`MeteredTenants`].

mod limits;
mod meter;
mod places;
mod table;
#[cfg(test)]
pub(super) mod tests;

pub use limits::LimitSlot;
pub(super) use limits::{LIMITS_MAX, LimitNames};
pub use meter::{Metered, MeteredTenants, TenantMeter};
pub(super) use table::TenantTable;
pub use table::UnknownMeter;
