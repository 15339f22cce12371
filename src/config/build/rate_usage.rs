//! How rate limits go together with each other, with routes and with what requests cost.

use std::collections::HashMap;

use super::rates::RateLimitMarks;
use super::route_terms::RouteTerms;
use super::{Builder, Candidate};
use crate::config::document::{Document, NamedRateLimit, RateLimit};
use crate::config::source::Mark;
use crate::config::written::Config;

/// Rate limits that may apply to one request: what the gateway keeps room for.
const APPLYING_MAX: usize = 8;

/// Checks what routes and plans have.
pub(super) fn check(builder: &Builder<'_>, config: &Config, document: &Document, routes: &[RouteTerms<'_>]) {
    let usage = Usage { builder, document, routes };
    usage.costs_of_routes();
    for (name, plan) in config.plans.iter() {
        let Some(built) = document.plans.get(&name.value) else { continue };
        let marks: Vec<_> = plan.rate_limits.0.iter().map(RateLimitMarks::of).collect();
        let default = plan.rate_limit.as_ref().zip(built.rate_limit).map(|(written, limit)| {
            (limit, written.burst.as_ref().map_or(written.rate.mark, |burst| burst.mark))
        });
        let holder = Holder {
            whose: format!("plan `{}`", name.value),
            mark: name.mark,
            own: &built.rate_limits,
            marks: &marks,
            default,
            // The limit is what was first; the route came to it.
            blames_cost: true,
            features: &|name| built.features.iter().any(|own| own.name == name && own.may_be_had()),
        };
        let placed = document.routes_of_plan(built);
        let merged = RouteTerms::merged(&placed, routes);
        let routes = if built.routes.is_empty() { routes } else { &merged };
        let usage = Usage { builder, document, routes };
        usage.of_holder(&holder, &document.rate_limits_of_plan(built), built.rate_limit.is_some());
    }
}

/// Checks what a tenant has of its own.
pub(super) fn check_tenant(
    builder: &Builder<'_>,
    document: &Document,
    routes: &[RouteTerms<'_>],
    candidate: &Candidate,
) {
    let usage = Usage { builder, document, routes };
    usage.rate_is_there(candidate);
    usage.of_tenant(candidate);
}

struct Usage<'u> {
    builder: &'u Builder<'u>,
    document: &'u Document,
    routes: &'u [RouteTerms<'u>],
}

/// A plan or a tenant with limits of its own.
struct Holder<'u> {
    whose: String,
    mark: Mark,
    own: &'u [NamedRateLimit],
    /// One for each of `own`.
    marks: &'u [RateLimitMarks],
    default: Option<(RateLimit, Mark)>,
    /// Whether a cost that never passes is reported where the cost is, or where the limit is.
    blames_cost: bool,
    features: &'u dyn Fn(&str) -> bool,
}

impl Usage<'_> {
    /// A tenant can't change the burst of a limit that it does not have.
    fn rate_is_there(&self, candidate: &Candidate) {
        let Some(mark) = candidate.rate_limit else { return };
        // An unknown plan was reported; whether it has a rate can't be told.
        let knows_plan = self.builder.findings.errors_in(mark.file) == 0;
        if knows_plan && self.document.rate_limit_of(&candidate.tenant).is_none() {
            self.builder
                .findings
                .error("missing-key", mark, "there is no rate: neither here nor in the tenant's plan")
                .hint("add `rate:` here, or to the plan");
        }
    }

    fn of_tenant(&self, candidate: &Candidate) {
        if candidate.rate_limit.is_none() && candidate.rate_limits.is_empty() && candidate.routes.is_empty() {
            return;
        }
        let tenant = &candidate.tenant;
        let limit = self.document.rate_limit_of(tenant);
        let holder = Holder {
            whose: format!("tenant `{}`", tenant.id),
            mark: candidate.rate_limits.first().map_or(candidate.mark, |limit| limit.name),
            own: &tenant.limits.rate_limits,
            marks: &candidate.rate_limits,
            default: limit.zip(candidate.rate_limit.or(candidate.routes.first().copied())),
            // The tenant's own limit is what is wrong: it may stand in a file of its own.
            blames_cost: false,
            features: &|name| self.document.may_have_feature(tenant, name),
        };
        self.of_holder(&holder, &self.document.rate_limits_of(tenant), limit.is_some());
    }

    /// A route's own limit has to let its own requests pass.
    fn costs_of_routes(&self) {
        for terms in self.routes {
            let Some((limit, marks)) = terms.route.parts.rate_limit.as_ref().zip(terms.limit) else {
                continue;
            };
            self.cost(terms, limit.limit.burst(), "the route's own `rate_limit`", marks.burst, true);
        }
    }

    fn of_holder(&self, holder: &Holder<'_>, applying: &[&NamedRateLimit], has_default: bool) {
        self.costs(holder);
        self.names(holder);
        self.routes(holder);
        self.count(holder, applying, has_default);
    }

    /// A request that costs more than the burst can never pass.
    fn costs(&self, holder: &Holder<'_>) {
        for route in self.routes.iter().filter(|route| route.is_open_to(holder.features)) {
            if let Some((limit, mark)) = holder.default {
                self.cost(route, limit.burst(), &format!("the {}", holder.whose), mark, holder.blames_cost);
            }
            let named = holder.own.iter().zip(holder.marks);
            for (limit, marks) in named.filter(|(limit, _)| limit.applies_to(&route.route.name)) {
                let whose = format!("the limit `{}` of the {}", limit.name, holder.whose);
                self.cost(route, limit.limit.burst(), &whose, marks.burst, holder.blames_cost);
            }
        }
    }

    fn cost(&self, terms: &RouteTerms<'_>, burst: u32, whose: &str, limit: Mark, blames_cost: bool) {
        let cost = terms.route.parts.cost().get();
        // A burst of zero was reported.
        if cost <= burst.max(1) {
            return;
        }
        let message = format!("a cost of {cost} can never pass: {whose} has a burst of {burst}");
        let (at, other, what) = match terms.cost.filter(|_| blames_cost) {
            Some(cost) => (cost, Some(limit), "the burst is"),
            None => (limit, terms.cost, "the cost is"),
        };
        self.builder
            .findings
            .error("cost-above-burst", at, message)
            .hint(format!("raise the burst to {cost} or more, or lower the cost"))
            .maybe_see(other, what);
    }

    /// A limit goes by its name in headers and metrics: it must not have a limited route's.
    fn names(&self, holder: &Holder<'_>) {
        let limited = self.routes.iter().filter(|terms| terms.route.parts.rate_limit.is_some());
        let limited: HashMap<&str, Option<Mark>> =
            limited.map(|terms| (terms.route.name.as_str(), terms.limit.map(|marks| marks.rate))).collect();
        for (limit, marks) in holder.own.iter().zip(holder.marks) {
            if let Some(route) = limited.get(limit.name.as_str()) {
                self.builder
                    .findings
                    .error(
                        "duplicate-limit",
                        marks.name,
                        format!("`{}` is the name of a route's limit", limit.name),
                    )
                    .hint("give this limit another name")
                    .maybe_see(*route, "that limit is");
            }
        }
    }

    fn routes(&self, holder: &Holder<'_>) {
        // A route that is disabled may be named: the plan's or the base's limit was there first.
        let base = self.document.routes.iter().map(|route| route.name.as_str());
        let names: Vec<&str> =
            base.chain(self.routes.iter().map(|terms| terms.route.name.as_str())).collect();
        for (limit, marks) in holder.own.iter().zip(holder.marks) {
            for (name, mark) in limit.routes.iter().flatten().zip(&marks.routes) {
                if !names.contains(&name.as_str()) {
                    let hint = super::suggest::hint(name, names.iter().copied());
                    self.builder
                        .findings
                        .error("unknown-route", *mark, format!("there is no route `{name}`"))
                        .maybe_hint(hint.or_else(|| Some("give the route this `name:`".into())));
                }
            }
        }
    }

    fn count(&self, holder: &Holder<'_>, applying: &[&NamedRateLimit], has_default: bool) {
        let count = |route: &str| {
            applying.iter().filter(|limit| limit.applies_to(route)).count() + usize::from(has_default)
        };
        let names = self.routes.iter().map(|terms| &terms.route.name);
        let worst = names.map(|name| (count(name), name)).max();
        if let Some((count, route)) = worst.filter(|(count, _)| *count > APPLYING_MAX) {
            let message = format!("{count} rate limits of the {} apply to the route `{route}`", holder.whose);
            self.builder.findings.error("too-many-limits", holder.mark, message).hint(format!(
                "no more than {APPLYING_MAX} may apply to one request: leave some out, or name their `routes`"
            ));
        }
    }
}
