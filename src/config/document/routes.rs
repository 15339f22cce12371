//! Routes: which requests go to which pool, and how.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use ipnet::IpNet;

use super::{Access, CorsSetting, Domain, HeaderRules, NamedRateLimit, Origin, Split};
use crate::types::{PathTemplate, Pattern, ValueTest, WebHost, Wording};

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name, unique: written, or made from the path.
    pub name: String,
    /// What it matches.
    pub matches: RouteMatch,
    /// What becomes of requests.
    pub parts: RouteParts,
    /// Where it was written.
    pub origin: Origin,
}

/// What becomes of a route's requests, as far as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteParts {
    /// Where it leads; see [`RouteParts::pool`].
    pub pool: Option<RoutePool>,
    /// Where copies of requests go, beside.
    pub mirror: Option<Mirror>,
    /// How the path is changed on its way upstream.
    pub rewrite: Option<Rewrite>,
    /// A feature that the tenant must have.
    pub requires_feature: Option<String>,
    /// Which clients it lets in, beside the tenant's own list.
    pub access: Option<Access>,
    /// The largest request body, in bytes, in the place of the tenant's and its plan's.
    pub request_body_max: Option<u64>,
    /// Changes to requests.
    pub request_headers: Option<HeaderRules>,
    /// Changes to responses.
    pub response_headers: Option<HeaderRules>,
    /// How many units of each rate limit one request uses; see [`RouteParts::cost`].
    pub cost: Option<NonZeroU32>,
    /// A limit on each tenant's requests to it. Has its name, and applies to it only.
    pub rate_limit: Option<NamedRateLimit>,
    /// For the whole request.
    pub timeout: Option<Duration>,
    /// Which pages of other origins may use it, where it says so itself.
    pub cors: Option<CorsSetting>,
    /// The hosts by which its application knows itself, in the place of its pool's.
    pub internal_hosts: Option<Vec<WebHost>>,
}

impl RouteParts {
    /// Where it leads: by default to the tenant's own pool.
    #[must_use]
    pub fn pool(&self) -> &RoutePool {
        self.pool.as_ref().unwrap_or(&RoutePool::Tenant)
    }

    /// The pools that are written in it.
    pub fn named_pools(&self) -> impl Iterator<Item = &str> {
        let mirror = self.mirror.iter().map(|mirror| mirror.pool.as_str());
        self.pool.iter().flat_map(RoutePool::pools).chain(mirror)
    }

    /// How many units of each rate limit one request uses: by default one.
    #[must_use]
    pub fn cost(&self) -> NonZeroU32 {
        self.cost.unwrap_or(NonZeroU32::MIN)
    }

    /// These, and what is not written of them as in others.
    #[must_use]
    pub fn over(&self, others: &Self) -> Self {
        fn either<T: Clone>(own: &Option<T>, other: &Option<T>) -> Option<T> {
            own.as_ref().or(other.as_ref()).cloned()
        }
        Self {
            pool: either(&self.pool, &others.pool),
            mirror: either(&self.mirror, &others.mirror),
            rewrite: either(&self.rewrite, &others.rewrite),
            requires_feature: either(&self.requires_feature, &others.requires_feature),
            access: either(&self.access, &others.access),
            request_body_max: self.request_body_max.or(others.request_body_max),
            request_headers: either(&self.request_headers, &others.request_headers),
            response_headers: either(&self.response_headers, &others.response_headers),
            cost: self.cost.or(others.cost),
            rate_limit: either(&self.rate_limit, &others.rate_limit),
            timeout: self.timeout.or(others.timeout),
            cors: either(&self.cors, &others.cors),
            internal_hosts: either(&self.internal_hosts, &others.internal_hosts),
        }
    }
}

/// What a route matches: all of it must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The hosts; empty for any.
    pub hosts: Vec<Domain>,
    /// The path.
    pub path: PathMatch,
    /// The methods; empty for any.
    pub methods: Vec<Method>,
    /// Header fields.
    pub headers: Vec<(HeaderName, ValueTest)>,
    /// Query parameters (percent-decoded).
    pub query: Vec<(String, ValueTest)>,
    /// Cookies.
    pub cookies: Vec<(String, ValueTest)>,
    /// Networks of clients; empty for any.
    pub client_ip: Vec<IpNet>,
    /// Features of the tenant.
    pub features: Vec<String>,
    /// Labels of the tenant.
    pub labels: Vec<(String, ValueTest)>,
}

impl RouteMatch {
    /// Every request with this path.
    #[must_use]
    pub fn of(path: PathMatch) -> Self {
        Self {
            hosts: Vec::new(),
            path,
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            cookies: Vec::new(),
            client_ip: Vec::new(),
            features: Vec::new(),
            labels: Vec::new(),
        }
    }
}

/// How a route's path matches. Paths start with `/` and have no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// The whole path, of which some segments may be anything.
    Template(PathTemplate),
    /// The whole path, by a regular expression.
    Pattern(Pattern),
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
    /// Several pools, of which each request goes to one.
    Split(Split),
    /// Elsewhere: the client is sent there.
    Redirect(Redirect),
    /// Nowhere: the gateway answers.
    Respond(Respond),
}

/// Where copies of requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The pool.
    pub pool: String,
    /// How many of a million requests are copied.
    pub millionths: u32,
}

impl Mirror {
    /// As many as there are.
    pub const ALL: u32 = 1_000_000;
}

/// How a path is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// This takes the place of the prefix that matched, or of the whole path.
    Prefix(String),
    /// This is the path.
    Path(Wording),
    /// This is the path where the expression holds for it.
    Pattern(Pattern, Wording),
}

/// Where a client is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The URL, or the path.
    pub to: Wording,
    /// The status.
    pub status: u16,
}

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderRules,
    /// The body.
    pub body: String,
    /// A file that is the body.
    pub file: Option<AnswerFile>,
}

/// A file that an answer is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct AnswerFile {
    /// Its name, as it was written.
    pub written: String,
    /// Its type.
    pub media_type: &'static str,
    /// What is in it.
    pub content: Arc<[u8]>,
}

impl fmt::Debug for AnswerFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.written, self.content.len())
    }
}

impl PathMatch {
    /// Every path.
    #[must_use]
    pub fn any() -> Self {
        Self::Prefix("/".into())
    }

    /// Whether a part of a path has this name.
    #[must_use]
    pub fn has_part(&self, name: &str) -> bool {
        match self {
            Self::Template(template) => template.names().any(|own| own == name),
            Self::Pattern(pattern) => pattern.has_group(name),
            Self::Exact(_) | Self::Prefix(_) => false,
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) | Self::Prefix(path) => f.write_str(path),
            Self::Template(template) => template.fmt(f),
            Self::Pattern(pattern) => f.write_str(pattern.as_str()),
        }
    }
}
