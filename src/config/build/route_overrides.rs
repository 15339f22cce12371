//! What plans and tenants have of routes.

use std::collections::{HashMap, HashSet};

use super::Builder;
use super::matches::Earlier;
use crate::config::decode::List;
use crate::config::document::{Document, PlacedRoute, RouteOverride};
use crate::config::source::Mark;
use crate::config::written::Route;

/// Routes that a plan or a tenant may have of its own.
const OWN_MAX: usize = 100;

impl Builder<'_> {
    /// One for each that is written and can be read. `holder` is where the plan or tenant is written.
    pub(super) fn route_overrides(&self, written: &List<Route>, holder: Mark) -> Vec<RouteOverride> {
        if written.0.len() > OWN_MAX {
            let message = format!("{} routes are more than one plan or tenant can have", written.0.len());
            self.findings
                .error("too-many-routes", holder, message)
                .hint(format!("write no more than {OWN_MAX}; what many tenants share belongs into a plan"));
        }
        let mut names: HashMap<&str, Mark> = HashMap::new();
        let mut earlier = Earlier::default();
        let mut overrides = Vec::with_capacity(written.0.len());
        for route in &written.0 {
            let mark = route.mark().unwrap_or(holder);
            if let Some(name) = &route.name {
                self.check_name(name, "route");
                if let Some(first) = names.insert(&name.value, name.mark) {
                    self.named_twice(name, first, "say all of it in one place");
                }
            }
            let disabled = route.disabled.as_ref().is_some_and(|disabled| disabled.value);
            let matches = route.matches.as_ref().map(|matches| self.matches(&matches.value));
            if route.name.is_none()
                && (disabled || matches.is_none())
                && self.findings.errors_in(mark.file) == 0
            {
                self.findings
                    .error("missing-key", mark, "this route has neither a `name` nor a `match`")
                    .hint(
                        "name the route that is to be changed or disabled, or say what a further one matches",
                    );
            }
            let first = matches.as_ref().and_then(|matches| earlier.find_or_enter(matches, mark));
            if let Some(first) = first.filter(|_| self.findings.errors_in(mark.file) == 0) {
                self.unreachable(mark, first);
            }
            let name = route.name.as_ref().map(|name| name.value.clone());
            let goes_by = name.clone().or(matches.as_ref().map(|matches| matches.path.to_string()));
            overrides.push(RouteOverride {
                parts: self.route_parts(
                    route,
                    &goes_by.unwrap_or_default(),
                    matches.as_ref().map(|matches| &matches.path),
                ),
                name,
                disabled,
                matches,
                origin: self.findings.sources.origin(mark),
            });
        }
        overrides
    }

    /// What is changed or disabled has to be there. `before` is what was there.
    pub(super) fn overridden_routes(
        &self,
        before: &[PlacedRoute<'_>],
        overrides: &[RouteOverride],
        mark: impl Fn(usize) -> Mark,
    ) {
        let names: HashSet<&str> = before.iter().map(|placed| placed.route.name.as_str()).collect();
        for (at, change) in overrides.iter().enumerate() {
            let Some(name) = &change.name else { continue };
            let needs_it = change.disabled || change.matches.is_none();
            if needs_it && !names.contains(name.as_str()) {
                let mut known: Vec<&str> = names.iter().copied().collect();
                known.sort_unstable();
                let hint = super::suggest::hint(name, known);
                self.findings
                    .error("unknown-route", mark(at), format!("there is no route `{name}`"))
                    .maybe_hint(hint.or_else(|| {
                        Some(
                            "give the base route this `name:`, or add a `match` to make it a further one"
                                .into(),
                        )
                    }));
            }
        }
    }

    /// As [`overridden_routes`](Self::overridden_routes), of all plans.
    pub(super) fn overridden_by_plans(&self, written: &crate::config::written::Config, document: &Document) {
        for (name, plan) in written.plans.iter() {
            let Some(built) = document.plans.get(&name.value) else { continue };
            let mark = |at: usize| plan.routes.0.get(at).and_then(Route::mark).unwrap_or(name.mark);
            self.overridden_routes(&document.routes_under(&[], &[]), &built.routes, mark);
        }
    }
}
