//! Routes: which requests go to which pool, and how.

use std::num::NonZeroU32;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::{HeaderRules, NamedRateLimit, Origin};

/// A base route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name, unique: written, or made from the path.
    pub name: String,
    /// What it matches.
    pub matches: RouteMatch,
    /// Where it leads.
    pub pool: RoutePool,
    /// A feature that the tenant must have.
    pub requires_feature: Option<String>,
    /// Changes to requests.
    pub request_headers: HeaderRules,
    /// Changes to responses.
    pub response_headers: HeaderRules,
    /// How many units of each rate limit one request uses.
    pub cost: NonZeroU32,
    /// A limit on each tenant's requests to it. Has its name, and applies to it only.
    pub rate_limit: Option<NamedRateLimit>,
    /// For the whole request.
    pub timeout: Option<Duration>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a route matches: all of it must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// The methods; empty for any.
    pub methods: Vec<Method>,
    /// Header fields with their exact values.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Query parameters with their exact values (percent-decoded).
    pub query: Vec<(String, String)>,
}

/// How a route's path matches. Paths start with `/` and have no query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// The path itself, or anything below it: `/api` matches `/api` and `/api/x`, not `/apix`.
    Prefix(String),
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutePool {
    /// `{tenant.pool}`: the tenant's own pool, else its plan's, else the default pool.
    Tenant,
    /// The pool of this name.
    Named(String),
}
