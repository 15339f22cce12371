//! Routes that lead to several pools.

use http::HeaderName;

use super::RoutePool;

/// Which part of a route's requests goes where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// At least one that has a weight.
    pub parts: Vec<SplitPart>,
    /// What keeps going to the same pool; `None`: each request goes anywhere.
    pub sticky: Option<Sticky>,
}

/// A pool's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPart {
    /// The pool; `None`: the tenant's own.
    pub pool: Option<String>,
    /// Its part of the sum of all weights.
    pub weight: u32,
}

/// What keeps going to the same pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// All requests of a tenant.
    Tenant,
    /// What has the same cookie, which the gateway sets where there is none.
    Cookie(String),
    /// What has the same value of a field; without it, all requests of a tenant.
    Header(HeaderName),
}

impl RoutePool {
    /// The pools that it names.
    pub fn pools(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self {
            Self::Named(pool) => (Some(pool), None),
            Self::Split(split) => (None, Some(&split.parts)),
            Self::Tenant | Self::Redirect(_) | Self::Respond(_) => (None, None),
        };
        let several = several.into_iter().flatten().filter_map(|part| part.pool.as_ref());
        one.into_iter().chain(several).map(String::as_str)
    }

    /// Whether it leads to the tenant's own pool, be it with some requests.
    #[must_use]
    pub fn leads_to_tenants(&self) -> bool {
        match self {
            Self::Tenant => true,
            Self::Split(split) => split.parts.iter().any(|part| part.pool.is_none()),
            Self::Named(_) | Self::Redirect(_) | Self::Respond(_) => false,
        }
    }
}
