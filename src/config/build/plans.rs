//! Plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Builder;
use super::headers::Direction;
use crate::config::decode::{Entries, Spanned};
use crate::config::document::Plan;
use crate::config::written;

impl Builder<'_> {
    pub(super) fn plans(&mut self, written: &Entries<written::Plan>) -> BTreeMap<String, Plan> {
        let mut plans = BTreeMap::new();
        for (name, plan) in written.iter() {
            self.check_name(name, "plan");
            plans.insert(name.value.clone(), self.plan(name, plan));
        }
        plans
    }

    fn plan(&mut self, name: &Spanned<String>, written: &written::Plan) -> Plan {
        Plan {
            name: name.value.clone(),
            rate_limit: written.rate_limit.as_ref().map(|limit| self.rate_limit(limit)),
            rate_limits: self.rate_limits(&written.rate_limits),
            concurrency: self.concurrency(written.concurrency.as_ref()),
            quotas: self.quotas(&written.quotas),
            on_outage: written.on_outage.map(Into::into),
            request_body_max: written.request_body.as_ref().and_then(|body| body.max).map(|max| max.0),
            features: self.features(&written.features),
            pool: written.pool.as_ref().and_then(|pool| self.known_pool(pool)),
            branding: Some(self.watched_branding(written.branding.as_ref()))
                .filter(|branding| !branding.is_empty())
                .map(Arc::new),
            request_headers: self.header_rules_of_any(&written.request_headers, Direction::Request),
            response_headers: self.header_rules_of_any(&written.response_headers, Direction::Response),
            cors: self.cors(written.cors.as_ref()),
            routes: self.route_overrides(&written.routes, name.mark),
            origin: self.findings.sources.origin(name.mark),
        }
    }

    pub(super) fn positive(&self, written: Option<&Spanned<u32>>, otherwise: &str) -> Option<u32> {
        let number = written?;
        if number.value == 0 {
            self.findings
                .error("invalid-value", number.mark, otherwise)
                .hint("write a number above zero, or leave it out");
        }
        Some(number.value)
    }

    /// Names of the operator's choosing stand in logs, metrics and headers: they are single words.
    pub(super) fn check_name(&self, name: &Spanned<String>, what: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
        let valid = !name.value.is_empty() && name.value.len() <= 128 && name.value.chars().all(fits);
        if !valid {
            let message = format!("`{}` is no name of a {what}", name.value);
            self.findings
                .error("invalid-value", name.mark, message)
                .hint("write 1 to 128 letters, digits, '-', '_', '.', ':' or '/'");
        }
        valid
    }
}
