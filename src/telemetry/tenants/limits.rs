//! The names of limits that have series: a bounded set, whatever is loaded in the course of time.

use std::sync::{Arc, Mutex, PoisonError};

/// Values of `limit`, the last of which stands for all further names.
pub(in crate::telemetry) const LIMITS_MAX: usize = 64;

/// The label of the limits that came when there was no more room.
const OTHER: &str = "_other";

/// Where a limit's counts stand. Resolved when the limit is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSlot(pub(in crate::telemetry) u8);

/// The names seen so far. They are not forgotten: what was counted under one stays.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct LimitNames(Mutex<Vec<Arc<str>>>);

impl LimitNames {
    /// The slot of a name, the same for the same name.
    pub(in crate::telemetry) fn slot(&self, name: &str) -> LimitSlot {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = names.iter().position(|known| **known == *name).unwrap_or_else(|| {
            if names.len() < LIMITS_MAX - 1 {
                names.push(name.into());
                names.len() - 1
            } else {
                LIMITS_MAX - 1
            }
        });
        LimitSlot(u8::try_from(at).unwrap_or(u8::MAX))
    }

    /// The names of all slots that may have counts.
    pub(in crate::telemetry) fn all(&self) -> Vec<Arc<str>> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if names.len() == LIMITS_MAX - 1 {
            names.push(OTHER.into());
        }
        names
    }
}
