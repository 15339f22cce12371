//! Routes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cors::CorsSetting;
use super::headers::HeaderRules;
use super::matches::Match;
use super::plans::RequestBody;
use super::rates::RouteRateLimit;
use super::split::Split;
use super::tenants::Access;
use super::text::Text;
use crate::config::decode::{Entries, List, Spanned};
use crate::config::source::Mark;
use crate::types::{FieldValue, TimeSpan, WebHost, Wording};

/// A route: the requests that it matches, and what becomes of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Its name in logs. Default: its path. In a plan or a tenant, the route that it changes.
    pub name: Option<Spanned<String>>,
    /// What it matches: all of it must hold. In a plan or a tenant, a route of that name is replaced as a whole; without a match, only
    /// what is written of it is.
    #[serde(rename = "match")]
    pub matches: Option<Spanned<Match>>,
    /// In a plan or a tenant: the route of that name is not there. Default false.
    pub disabled: Option<Spanned<bool>>,
    /// Where it leads: a pool's name, or "{tenant.pool}" for the tenant's own pool, else its
    /// plan's, else `default_pool`. Default "{tenant.pool}".
    pub pool: Option<Spanned<String>>,
    /// A feature that the tenant must have; others are answered 403.
    pub requires_feature: Option<Spanned<String>>,
    /// Which clients it lets in, beside its tenant's list: both have to. Default: all.
    pub access: Option<Access>,
    /// Bounds on its request bodies, in the place of the tenant's and its plan's.
    pub request_body: Option<RequestBody>,
    /// Change the path on its way upstream.
    pub rewrite: Option<Spanned<Rewrite>>,
    /// Changes to requests.
    #[serde(default)]
    pub request_headers: HeaderRules,
    /// Changes to responses.
    #[serde(default)]
    pub response_headers: HeaderRules,
    /// How many units of each rate limit one request uses. Default 1.
    #[schemars(range(min = 1))]
    pub cost: Option<Spanned<u32>>,
    /// How many requests each tenant may make to this route; more are answered 429. Beside the limits of plan and tenant.
    pub rate_limit: Option<RouteRateLimit>,
    /// The longest time for the whole request.
    pub timeout: Option<Spanned<TimeSpan>>,
    /// Where it leads, instead of `pool`: several pools, by weight.
    pub split: Option<Spanned<List<Split>>>,
    /// Which pages of other origins may use it; off where the application says so itself. Default: as the tenant, its plan or `cors` say.
    pub cors: Option<Spanned<CorsSetting>>,
    /// Hosts by which the application knows itself, in the place of its pool's: [] where URLs and cookies are to stay as they are.
    pub internal_hosts: Option<Spanned<List<Spanned<Text<WebHost>>>>>,
    /// Where copies of requests go, beside: their answers are thrown away.
    pub mirror: Option<Spanned<Mirror>>,
    /// Answer with a redirect.
    pub redirect: Option<Spanned<Redirect>>,
    /// Answer with a fixed response.
    pub respond: Option<Spanned<Respond>>,
}

/// A change of the path: one of these. The query stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rewrite {
    /// What takes the place of the prefix that matched, or of the whole path.
    pub prefix: Option<Spanned<String>>,
    /// The path, with parts of the one that matched: "/u/{path.id}".
    pub path: Option<Spanned<Text<Wording>>>,
    /// A regular expression for the whole path. Where it doesn't hold, the path stays.
    pub regex: Option<Spanned<String>>,
    /// With `regex`: the path, with the expression's groups: "/new/{path.1}".
    pub to: Option<Spanned<Text<Wording>>>,
}

/// A copy of requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Mirror {
    /// The pool's name.
    pub pool: Spanned<String>,
    /// How many of a hundred requests are copied, with up to four decimals. Default 100.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<Spanned<f64>>,
}

/// A redirect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Redirect {
    /// Where to: a path or a URL, with parts of the request: "/new{path.rest}{?query}".
    pub to: Spanned<Text<Wording>>,
    /// The status: 301, 302, 303, 307 or 308. Default 302.
    pub status: Option<Spanned<u16>>,
}

/// A fixed response.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Respond {
    /// The status, from 200 to 599. Default 200.
    pub status: Option<Spanned<u16>>,
    /// The header fields. Default: a body is text/plain in UTF-8.
    #[serde(default)]
    pub headers: Entries<Spanned<Text<FieldValue>>>,
    /// The body, up to 64 KiB.
    pub body: Option<Spanned<String>>,
    /// Instead of `body`: a file of up to 1 MiB. Its type is told by its name's ending. Not for tenants of the API.
    pub file: Option<Spanned<String>>,
}

impl Route {
    /// Where it is written, as far as that is known.
    pub fn mark(&self) -> Option<Mark> {
        let name = self.name.as_ref().map(|name| name.mark);
        let matches = self.matches.as_ref().map(|matches| matches.mark);
        let pool = self.pool.as_ref().map(|pool| pool.mark);
        matches.or(name).or(pool).or(self.disabled.as_ref().map(|disabled| disabled.key))
    }
}
