//! What routes match.

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Network, Text};
use crate::config::decode::{Entries, List, Spanned, WordOr};
use crate::config::document::Domain;

/// What a route matches.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Match {
    /// The hosts: www.example.com, or "*.example.com" for all below. Any of them. Default: any at all.
    #[serde(default)]
    pub hosts: List<Spanned<Text<Domain>>>,
    /// The whole path.
    pub path: Option<Spanned<String>>,
    /// The path itself or anything below it: /api matches /api and /api/x, not /apix. Default /.
    pub path_prefix: Option<Spanned<String>>,
    /// The whole path, where segments in braces may be anything: "/users/{id}".
    pub path_template: Option<Spanned<String>>,
    /// A regular expression for the whole path: "/v[0-9]+/.*".
    pub path_regex: Option<Spanned<String>>,
    /// The methods. Default: any.
    #[serde(default)]
    pub methods: List<Spanned<Text<Method>>>,
    /// Headers, each with its exact value or a condition. One line of several is enough.
    #[serde(default)]
    pub headers: Entries<Spanned<ValueMatch>>,
    /// Query parameters, each with its exact value or a condition. The first of a name counts.
    #[serde(default)]
    pub query: Entries<Spanned<ValueMatch>>,
    /// Cookies, each with its exact value or a condition. The first of a name counts.
    #[serde(default)]
    pub cookies: Entries<Spanned<ValueMatch>>,
    /// Addresses and networks of clients. Any of them. Default: any at all.
    #[serde(default)]
    pub client_ip: List<Text<Network>>,
    /// Features that the tenant must have, all of them; others are served by the next route.
    #[serde(default)]
    pub features: List<Spanned<String>>,
    /// Labels of the tenant, each with its exact value or a condition; others are served by the next route.
    #[serde(default)]
    pub labels: Entries<Spanned<ValueMatch>>,
}

/// A value: exactly this text, or what a condition holds for.
pub(in crate::config) type ValueMatch = WordOr<String, ValueCondition>;

/// What a value must be: one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ValueCondition {
    /// Exactly this.
    pub exact: Option<String>,
    /// What this regular expression holds for, as a whole.
    pub regex: Option<String>,
    /// Whether it is there, whatever it is.
    pub present: Option<bool>,
}
