//! Quotas, and the store that keeps them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::route_terms::RouteTerms;
use super::{Builder, Candidate};
use crate::config::decode::{List, Spanned};
use crate::config::document::{
    Document, Meter, Metering, NamedRateLimit, OnExceed, Quota, StoreLocation, Window,
};
use crate::config::source::Mark;
use crate::config::written::{self, Amount, Config, Text, Threshold};
use crate::types::{ByteSize, TimeSpan};

/// The shortest rolling window: in a shorter one a quota is a rate limit, and that costs no store.
const ROLLING_MIN: Duration = Duration::from_secs(60);
/// The longest.
const ROLLING_MAX: Duration = Duration::from_secs(366 * 86_400);
/// How often usage is written down.
const FLUSH: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

impl Builder<'_> {
    pub(super) fn quotas(&self, written: &List<Spanned<written::Quota>>) -> Vec<Quota> {
        let mut names: HashMap<&str, Mark> = HashMap::new();
        for quota in &written.0 {
            let name = &quota.value.name;
            if self.check_name(name, "quota") && name.value == "default" {
                self.findings
                    .error("reserved-name", name.mark, "`default` is the name of the rate limit")
                    .hint("clients are told of both by name: write another, like monthly");
            }
            if let Some(first) = names.insert(&name.value, name.mark) {
                self.findings
                    .error("duplicate-quota", name.mark, format!("the quota `{}` is there twice", name.value))
                    .hint("give each quota a name of its own")
                    .see(first, "the other one is");
            }
        }
        if let Some(beyond) = written.0.get(Quota::COUNT_MAX) {
            self.findings
                .error(
                    "too-many-quotas",
                    beyond.mark,
                    format!("there are more than {} quotas", Quota::COUNT_MAX),
                )
                .hint("each costs every request something: keep those that you need");
        }
        written.0.iter().map(|quota| self.quota(&quota.value)).collect()
    }

    fn quota(&self, written: &written::Quota) -> Quota {
        let meter = Meter::from(written.meter.value);
        // Nothing is found against what stands for a bad one.
        let limit = self.amount(&written.limit, meter).unwrap_or(Quota::LIMIT_MAX);
        Quota {
            name: written.name.value.clone(),
            meter,
            limit,
            window: self.window(written),
            time_zone: written.time_zone.as_ref().map(|zone| zone.value.0.clone()),
            on_exceed: self.on_exceed(written),
            soft: written.soft.as_ref().and_then(|soft| self.soft(soft, meter, limit, written.limit.mark)),
            origin: self.findings.sources.origin(written.name.mark),
        }
    }

    /// A limit in the meter's smallest unit.
    fn amount(&self, written: &Spanned<Amount>, meter: Meter) -> Option<u64> {
        let amount = match amount(&written.value, meter) {
            Ok(amount) => amount,
            Err(message) => {
                self.findings.error("invalid-value", written.mark, message);
                return None;
            }
        };
        if amount == 0 {
            self.findings
                .error("invalid-value", written.mark, "a limit of zero lets nothing pass")
                .hint("suspend the tenant instead, or leave the quota out");
        } else if amount > Quota::LIMIT_MAX {
            self.findings
                .error("invalid-value", written.mark, "the limit is larger than any that can be counted")
                .hint("leave the quota out");
        } else {
            return Some(amount);
        }
        None
    }

    fn window(&self, written: &written::Quota) -> Window {
        let window = written.per.value.0;
        let Window::Rolling(length) = window else { return window };
        if length < ROLLING_MIN {
            self.findings
                .error("invalid-value", written.per.mark, "a rolling window is at least a minute long")
                .hint("write 1m or more; what is shorter is a `rate_limit`");
        } else if length > ROLLING_MAX {
            self.findings
                .error("invalid-value", written.per.mark, "a rolling window is at most 366 days long")
                .hint("write 366d or less, or a calendar's: year");
        }
        if let Some(zone) = &written.time_zone {
            self.findings
                .error("conflicting-keys", zone.key, "a rolling window has no time zone: it has no beginning")
                .hint("remove `time_zone`, or write a calendar's window like `per: day`")
                .see(written.per.mark, "the window is");
        }
        window
    }

    fn on_exceed(&self, written: &written::Quota) -> OnExceed {
        let word = written.on_exceed.as_ref().map(|word| word.value);
        match (word.unwrap_or(written::OnExceed::Reject), &written.throttle) {
            (written::OnExceed::Throttle, Some(rate)) => return OnExceed::Throttle(rate.value),
            (written::OnExceed::Throttle, None) => {
                let mark = written.on_exceed.as_ref().map_or(written.name.mark, |word| word.mark);
                self.findings
                    .error("missing-key", mark, "`throttle` is missing: the rate that requests are slowed to")
                    .hint("add it, like `throttle: 1/s`");
            }
            (_, Some(rate)) => {
                self.findings
                    .error(
                        "conflicting-keys",
                        rate.key,
                        "`throttle` is there, but requests are not throttled",
                    )
                    .hint("add `on_exceed: throttle`, or remove it");
            }
            (written::OnExceed::Allow, None) => return OnExceed::Allow,
            (written::OnExceed::Reject, None) => {}
        }
        OnExceed::Reject
    }

    fn soft(&self, written: &Spanned<Threshold>, meter: Meter, limit: u64, limit_at: Mark) -> Option<u64> {
        let soft = match &written.value {
            Threshold::Percent(percent) => {
                if !(1..=100).contains(percent) {
                    self.findings
                        .error("invalid-value", written.mark, format!("`{percent}%` is no part of the limit"))
                        .hint("write from 1% to 100%");
                    return None;
                }
                let part = u128::from(limit) * u128::from(*percent) / 100;
                return Some(u64::try_from(part).unwrap_or(limit).max(1));
            }
            Threshold::Amount(amount) => {
                self.amount(&Spanned { value: amount.clone(), mark: written.mark, key: written.key }, meter)?
            }
        };
        if soft > limit {
            self.findings
                .error(
                    "invalid-value",
                    written.mark,
                    "the soft threshold is above the limit: it is never reached",
                )
                .hint("write less, or a part of the limit like 80%")
                .see(limit_at, "the limit is");
        }
        Some(soft)
    }

    /// A request that costs more than a whole quota can never pass.
    pub(super) fn quotas_in_use(&self, config: &Config, document: &Document, routes: &[RouteTerms<'_>]) {
        for (name, plan) in config.plans.iter() {
            let Some(built) = document.plans.get(&name.value) else { continue };
            let has = |name: &str| built.features.iter().any(|own| own.name == name && own.may_be_had());
            let rates = document.rate_limits_of_plan(built);
            for (written, quota) in plan.quotas.0.iter().zip(&built.quotas) {
                self.name_of_its_own(quota, &rates, written.value.name.mark);
                for terms in beyond(routes, quota, &has) {
                    let (whose, limit) = (format!("plan `{}`", name.value), written.value.limit.mark);
                    let at = terms.cost.unwrap_or(limit);
                    self.cost_beyond(terms, quota, &whose, at, Some(limit), "the limit is");
                }
            }
        }
    }

    /// As [`Builder::quotas_in_use`], of a tenant's own; and a tenant has its plan's quotas beside them.
    pub(super) fn quotas_of_tenant(
        &self,
        document: &Document,
        routes: &[RouteTerms<'_>],
        candidate: &Candidate,
    ) {
        let Some(first) = candidate.quotas.first() else { return };
        let tenant = &candidate.tenant;
        let has = |name: &str| document.may_have_feature(tenant, name);
        let rates = document.rate_limits_of(tenant);
        for (mark, quota) in candidate.quotas.iter().zip(&tenant.limits.quotas) {
            self.name_of_its_own(quota, &rates, *mark);
            for terms in beyond(routes, quota, &has) {
                // The tenant's own limit is what is wrong here: it may stand in a file of its own.
                let whose = format!("tenant `{}`", tenant.id);
                self.cost_beyond(terms, quota, &whose, *mark, terms.cost, "the cost is");
            }
        }
        let count = document.quotas_of(tenant).len();
        if count > Quota::COUNT_MAX && tenant.limits.quotas.len() <= Quota::COUNT_MAX {
            let message =
                format!("with its plan's the tenant has {count} quotas, more than {}", Quota::COUNT_MAX);
            self.findings
                .error("too-many-quotas", *first, message)
                .hint("name its quotas like those of its plan that they replace");
        }
    }

    /// Clients are told of rates and quotas in one list, by name.
    fn name_of_its_own(&self, quota: &Quota, rates: &[&NamedRateLimit], at: Mark) {
        if rates.iter().any(|rate| rate.name == quota.name) {
            let message = format!("`{}` is the name of a rate limit, too", quota.name);
            self.findings
                .error("reserved-name", at, message)
                .hint("clients are told of both by name: give one of them another");
        }
    }

    fn cost_beyond(
        &self,
        terms: &RouteTerms<'_>,
        quota: &Quota,
        whose: &str,
        at: Mark,
        other: Option<Mark>,
        what: &str,
    ) {
        let cost = terms.route.parts.cost();
        let message = format!(
            "a cost of {} can never pass: the quota `{}` of the {whose} has a limit of {}",
            cost, quota.name, quota.limit
        );
        self.findings
            .error("cost-above-limit", at, message)
            .hint(format!("raise the limit to {cost} or more, or lower the cost"))
            .maybe_see(other, what);
    }

    pub(super) fn store(&self, written: Option<&Spanned<Text<StoreLocation>>>) -> PathBuf {
        match written.map(|store| (&store.value.0, store.mark)) {
            Some((StoreLocation::Sqlite(path), _)) => self.path(&path.to_string_lossy()),
            Some((StoreLocation::Postgres, mark)) => {
                let instead = "write sqlite:PATH, like sqlite:state/tollgate.db";
                self.findings.not_supported_but(mark, "a store in PostgreSQL", instead);
                PathBuf::new()
            }
            None => self.path("state/tollgate.db"),
        }
    }

    pub(super) fn metering(&self, written: Option<&written::Metering>) -> Metering {
        let Some(flush) = written.and_then(|metering| metering.flush.as_ref()) else {
            return Metering { flush: Duration::from_secs(1) };
        };
        if !(FLUSH.0..=FLUSH.1).contains(&flush.value.0) {
            let (min, max) = (TimeSpan(FLUSH.0), TimeSpan(FLUSH.1));
            self.findings
                .error("invalid-value", flush.mark, format!("`{}` is not from {min} to {max}", flush.value))
                .hint("leave it out for 1s: a process that is killed forgets at most so much");
        }
        Metering { flush: flush.value.0 }
    }
}

/// The routes that a tenant with these features may use, and that cost more than all of a quota.
fn beyond<'c>(
    routes: &'c [RouteTerms<'c>],
    quota: &'c Quota,
    has: &'c dyn Fn(&str) -> bool,
) -> impl Iterator<Item = &'c RouteTerms<'c>> {
    let refuses = quota.meter == Meter::Requests && quota.on_exceed == OnExceed::Reject;
    let routes = routes.iter().filter(move |terms| refuses && terms.is_open_to(has));
    routes.filter(|terms| u64::from(terms.route.parts.cost().get()) > quota.limit)
}

/// The error is a message, and a hint on a second line.
fn amount(written: &Amount, meter: Meter) -> Result<u64, String> {
    let (counts, like) = match meter {
        Meter::Requests => ("requests", "write a number, like 100000"),
        Meter::RequestBytes | Meter::ResponseBytes => ("bytes", "write a size, like 5GiB"),
        Meter::UpstreamSeconds => ("seconds", "write a number of seconds, or a duration like 10h"),
    };
    let too_large = || format!("the number is larger than any that can be counted\n{like}");
    match (written, meter) {
        (Amount::Number(seconds), Meter::UpstreamSeconds) => {
            seconds.checked_mul(1_000_000).ok_or_else(too_large)
        }
        (Amount::Number(number), _) => Ok(*number),
        (Amount::Text(text), Meter::RequestBytes | Meter::ResponseBytes) => {
            text.parse::<ByteSize>().map(|size| size.0).map_err(|error| error.to_string())
        }
        (Amount::Text(text), Meter::UpstreamSeconds) if text.parse::<TimeSpan>().is_ok() => {
            let span = text.parse::<TimeSpan>().map(|span| span.0.as_micros());
            span.ok().and_then(|micros| u64::try_from(micros).ok()).ok_or_else(too_large)
        }
        (Amount::Text(text), _) => Err(format!("`{text}` is no number of {counts}\n{like}")),
    }
}
