//! Rate limits.

use std::collections::HashMap;

use super::Builder;
use crate::config::decode::{List, Spanned};
use crate::config::document::{DEFAULT_RATE_LIMIT, NamedRateLimit, RateKey, RateLimit, RateLimitOverride};
use crate::config::source::Mark;
use crate::config::written;
use crate::types::Rate;

/// Keys for which memory is kept unless written otherwise; and as many as may be.
const KEYS: u32 = 10_000;
const KEYS_RANGE: std::ops::RangeInclusive<u32> = 100..=1_000_000;

/// Where the parts of a named limit are written.
pub(in crate::config) struct RateLimitMarks {
    pub name: Mark,
    /// The burst, or the rate where that is the burst too.
    pub burst: Mark,
    pub routes: Vec<Mark>,
}

impl Builder<'_> {
    pub(super) fn rate_limit(&self, written: &written::RateLimit) -> RateLimit {
        self.limit_of(&written.rate, written.burst.as_ref(), written.shadow)
    }

    pub(super) fn rate_limit_override(&self, written: &written::TenantRateLimit) -> RateLimitOverride {
        RateLimitOverride {
            rate: written.rate.as_ref().map(|rate| rate.value),
            burst: self.burst(written.burst.as_ref()),
            shadow: written.shadow,
        }
    }

    /// One for each that is written, in order.
    pub(super) fn rate_limits(&self, written: &List<written::NamedRateLimit>) -> Vec<NamedRateLimit> {
        let mut names: HashMap<&str, Mark> = HashMap::new();
        written.0.iter().map(|limit| self.named(limit, &mut names)).collect()
    }

    /// A route's own limit goes by the route's name.
    pub(super) fn route_rate_limit(&self, written: &written::RouteRateLimit, route: &str) -> NamedRateLimit {
        NamedRateLimit {
            name: route.to_owned(),
            limit: self.limit_of(&written.rate, written.burst.as_ref(), written.shadow),
            by: self.rate_key(written.by.as_ref()),
            keys: self.keys(written.keys.as_ref(), written.by.is_some()),
            routes: Some(vec![route.to_owned()]),
        }
    }

    fn named<'w>(
        &self,
        written: &'w written::NamedRateLimit,
        names: &mut HashMap<&'w str, Mark>,
    ) -> NamedRateLimit {
        let name = &written.name;
        self.check_name(name, "limit");
        if name.value == DEFAULT_RATE_LIMIT {
            self.findings
                .error("duplicate-limit", name.mark, "`default` is the name of the limit under `rate_limit`")
                .hint("give this limit another name");
        } else if let Some(first) = names.insert(&name.value, name.mark) {
            self.findings
                .error("duplicate-limit", name.mark, format!("the limit `{}` is there twice", name.value))
                .hint("give each limit a name of its own")
                .see(first, "the other one is");
        }
        let routes = written.routes.as_ref().map(|routes| {
            if routes.value.0.is_empty() && self.findings.errors_in(routes.mark.file) == 0 {
                self.findings
                    .error("invalid-value", routes.mark, "a limit on no route limits nothing")
                    .hint("name a route, or leave `routes` out for all of them");
            }
            routes.value.0.iter().map(|route| route.value.clone()).collect()
        });
        NamedRateLimit {
            name: name.value.clone(),
            limit: self.limit_of(&written.rate, written.burst.as_ref(), written.shadow),
            by: self.rate_key(written.by.as_ref()),
            keys: self.keys(written.keys.as_ref(), written.by.is_some()),
            routes,
        }
    }

    fn limit_of(
        &self,
        rate: &Spanned<Rate>,
        burst: Option<&Spanned<u32>>,
        shadow: Option<bool>,
    ) -> RateLimit {
        RateLimit { rate: rate.value, burst: self.burst(burst), shadow: shadow.unwrap_or(false) }
    }

    fn burst(&self, written: Option<&Spanned<u32>>) -> Option<u32> {
        self.positive(written, "a burst of zero lets nothing pass")
    }

    fn rate_key(&self, written: Option<&Spanned<written::RateKey>>) -> Option<RateKey> {
        let by = written?;
        match &by.value {
            written::RateKey::ClientIp => Some(RateKey::ClientIp),
            written::RateKey::Header(name) => Some(RateKey::Header(name.0.clone())),
            written::RateKey::JwtClaim(_) => {
                self.findings.not_supported_but(
                    by.mark,
                    "a limit by `jwt_claim`",
                    "write `client_ip`, { header: NAME }, or leave it out",
                );
                None
            }
        }
    }

    fn keys(&self, written: Option<&Spanned<u32>>, keyed: bool) -> usize {
        let Some(keys) = written else { return KEYS as usize };
        if !keyed && self.findings.errors_in(keys.mark.file) == 0 {
            // A `by` that can't be read was reported.
            self.findings
                .error("missing-key", keys.key, "`keys` says nothing without `by`")
                .hint("add `by: client_ip` or `by: { header: NAME }`, or remove `keys`");
        } else if !KEYS_RANGE.contains(&keys.value) {
            let message = format!("there can't be memory for {} keys", keys.value);
            self.findings.error("invalid-value", keys.mark, message).hint(format!(
                "write a number from {} to {}",
                KEYS_RANGE.start(),
                KEYS_RANGE.end()
            ));
        }
        keys.value as usize
    }
}

impl RateLimitMarks {
    pub fn of(written: &written::NamedRateLimit) -> Self {
        Self {
            name: written.name.mark,
            burst: written.burst.as_ref().map_or(written.rate.mark, |burst| burst.mark),
            routes: written
                .routes
                .iter()
                .flat_map(|routes| &routes.value.0)
                .map(|route| route.mark)
                .collect(),
        }
    }
}
