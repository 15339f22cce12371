//! Whether anything asks for labels of tenants: where nothing does, those of the store are not read with them.

use super::{Document, HeaderRules, RouteOverride, RouteParts, RoutePool, Tenant};
use super::{Redirect, Respond, Rewrite, RouteMatch};
use crate::types::FieldValue;

impl Document {
    /// Whether what holds for all tenants, or for those of a plan, asks for their labels.
    #[must_use]
    pub fn asks_labels(&self) -> bool {
        let of_routes =
            || self.routes.iter().any(|route| route.matches.asks_labels() || route.parts.asks_labels());
        let of_plans = || {
            self.plans.values().any(|plan| {
                plan.request_headers.asks_labels()
                    || plan.response_headers.asks_labels()
                    || plan.routes.iter().any(RouteOverride::asks_labels)
            })
        };
        self.identity.signed.is_some() || of_routes() || of_plans()
    }
}

impl Tenant {
    /// Whether it asks for its own.
    #[must_use]
    pub fn asks_labels(&self) -> bool {
        self.request_headers.asks_labels()
            || self.response_headers.asks_labels()
            || self.routes.iter().any(RouteOverride::asks_labels)
    }
}

impl RouteOverride {
    fn asks_labels(&self) -> bool {
        self.matches.as_ref().is_some_and(RouteMatch::asks_labels) || self.parts.asks_labels()
    }
}

impl RouteMatch {
    fn asks_labels(&self) -> bool {
        !self.labels.is_empty()
    }
}

impl RouteParts {
    fn asks_labels(&self) -> bool {
        let in_target = match &self.pool {
            Some(RoutePool::Redirect(Redirect { to, .. })) => to.has_label(),
            Some(RoutePool::Respond(Respond { headers, .. })) => headers.asks_labels(),
            Some(RoutePool::Tenant | RoutePool::Named(_) | RoutePool::Split(_)) | None => false,
        };
        let in_rewrite = match &self.rewrite {
            Some(Rewrite::Path(to) | Rewrite::Pattern(_, to)) => to.has_label(),
            Some(Rewrite::Prefix(_)) | None => false,
        };
        let rules = [&self.request_headers, &self.response_headers];
        in_target || in_rewrite || rules.into_iter().flatten().any(HeaderRules::asks_labels)
    }
}

impl HeaderRules {
    fn asks_labels(&self) -> bool {
        let mut values = self.set.iter().chain(&self.add).map(|(_, value)| value);
        values.any(|value| matches!(value, FieldValue::Filled(wording) if wording.has_label()))
    }
}
