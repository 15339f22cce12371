//! Routes as far as limits have to go together with them.

use crate::config::document::{Document, PlacedRoute, Route};
use crate::config::source::Mark;
use crate::config::written::Config;

/// A route, and where what limits depend on is written: nowhere, if it is in force already.
pub(super) struct RouteTerms<'r> {
    pub route: &'r Route,
    /// Where its cost is written.
    pub cost: Option<Mark>,
    /// Where its own limit is written.
    pub limit: Option<LimitMarks>,
}

/// Where a route's own limit is written.
#[derive(Clone, Copy)]
pub(super) struct LimitMarks {
    pub rate: Mark,
    /// The burst, or the rate where that is the burst too.
    pub burst: Mark,
}

impl<'r> RouteTerms<'r> {
    /// Of routes that were just written.
    pub fn written(config: &Config, document: &'r Document) -> Vec<Self> {
        let written = config.routes.as_ref().map(|routes| routes.0.as_slice()).unwrap_or_default();
        let written = written.iter().filter(|route| route.matches.is_some());
        let terms = written.zip(&document.routes).map(|(written, route)| Self {
            route,
            cost: written.cost.as_ref().map(|cost| cost.mark),
            limit: written.rate_limit.as_ref().map(|limit| LimitMarks {
                rate: limit.rate.mark,
                burst: limit.burst.as_ref().map_or(limit.rate.mark, |burst| burst.mark),
            }),
        });
        terms.collect()
    }

    /// Of the routes of a plan or tenant; `base` are those of the base routes. What differs stands elsewhere.
    pub fn merged(routes: &'r [PlacedRoute<'_>], base: &[RouteTerms<'_>]) -> Vec<Self> {
        let terms = routes.iter().map(|placed| {
            let base = base.get(placed.place).filter(|_| placed.is_base);
            Self {
                route: &placed.route,
                cost: base.and_then(|terms| terms.cost),
                limit: base.and_then(|terms| terms.limit),
            }
        });
        terms.collect()
    }

    /// Of a document in force.
    pub fn in_force(document: &'r Document) -> Vec<Self> {
        document.routes.iter().map(|route| Self { route, cost: None, limit: None }).collect()
    }

    /// Whether a tenant with these features may use it.
    pub fn is_open_to(&self, has: &dyn Fn(&str) -> bool) -> bool {
        self.route.parts.requires_feature.as_ref().is_none_or(|feature| has(feature))
    }
}
