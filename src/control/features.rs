//! From written features to those that tenants have.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use jiff::tz::TimeZone;

use crate::config::{self, Document};
use crate::tenant::{FeatureTerm, Features, Terms, is_rolled_out};
use crate::time::Clock;
use crate::types::TenantId;

/// How many sets of features are kept of a plan of which some are rolled out to a part of its tenants.
const SETS_MAX: usize = 1_024;

/// The features of a tenant: which it has at all is settled by its id.
pub(super) fn features(
    document: &Document,
    written: &config::Tenant,
    field: Option<&Arc<str>>,
    clock: &Clock,
) -> Features {
    let zone = written.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.zone().clone());
    let is_had = |feature: &&config::Feature| {
        feature.enabled && is_rolled_out(&feature.name, feature.percent, &written.id)
    };
    let term = |feature: &config::Feature| FeatureTerm {
        name: feature.name.as_str().into(),
        from_ms: feature.from.map(|from| from.unix_ms(&zone)),
        until_ms: feature.until.map(|until| until.unix_ms(&zone)),
    };
    let had = document.features_of(written).into_iter().filter(is_had);
    Features::new(had.map(term).collect(), field, clock)
}

/// Features of a plan that a part of its tenants has. Those who have the same share all that they share with their plan.
#[derive(Debug)]
pub(super) struct RollOut {
    partial: Vec<(String, u8)>,
    sets: Mutex<HashMap<Vec<bool>, Arc<Terms>>>,
}

impl RollOut {
    /// `None` where all of a plan's tenants have the same.
    pub(super) fn of(plan: &config::Plan) -> Option<Self> {
        let is_partial =
            |feature: &&config::Feature| feature.may_be_had() && feature.percent < config::Feature::ALL;
        let partial: Vec<_> = plan.features.iter().filter(is_partial).collect();
        let partial: Vec<_> =
            partial.into_iter().map(|feature| (feature.name.clone(), feature.percent)).collect();
        (!partial.is_empty()).then(|| Self { partial, sets: Mutex::default() })
    }

    /// The terms of a tenant that differs in nothing from its plan, made once for all who have the same features.
    pub(super) fn terms(&self, tenant: &TenantId, make: impl FnOnce() -> Terms) -> Arc<Terms> {
        let set: Vec<bool> =
            self.partial.iter().map(|(name, percent)| is_rolled_out(name, *percent, tenant)).collect();
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(&set) {
            return Arc::clone(known);
        }
        let terms = Arc::new(make());
        // Whoever comes later has one of its own.
        if sets.len() < SETS_MAX {
            sets.insert(set, Arc::clone(&terms));
        }
        terms
    }
}
