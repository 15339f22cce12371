//! Plans and their limits.

use schemars::JsonSchema;
use serde::Deserialize;

use super::branding::Branding;
use super::concurrency::Concurrency;
use super::cors::CorsSetting;
use super::features::Feature;
use super::headers::HeaderRules;
use super::quotas::{OnOutageWord, Quota};
use super::rates::{NamedRateLimit, RateLimit};
use super::routes::Route;
use crate::config::decode::{List, Spanned};
use crate::types::ByteSize;

/// What tenants of a tier may use; a tenant overrides any part of its plan.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Plan {
    /// How many requests each tenant may make; more are answered 429.
    pub rate_limit: Option<RateLimit>,
    /// Further rate limits: on some routes, or for each client or key on its own.
    #[serde(default)]
    pub rate_limits: List<NamedRateLimit>,
    /// How much each tenant may use in a window of time; counted durably.
    #[serde(default)]
    pub quotas: List<Spanned<Quota>>,
    /// What becomes of requests whose quota the store would have to decide, while it does not answer. Default local.
    pub on_outage: Option<OnOutageWord>,
    /// A tenant's part in the seats of pools.
    pub concurrency: Option<Concurrency>,
    /// Bounds on request bodies.
    pub request_body: Option<RequestBody>,
    /// The features that its tenants have; routes ask for them with `requires_feature`. A name, or a mapping that says
    /// from when until when, and for how many of a hundred tenants.
    #[serde(default)]
    pub features: List<Spanned<Feature>>,
    /// The pool of its tenants that name none themselves.
    pub pool: Option<Spanned<String>>,
    /// How its tenants look, where that differs from the default branding.
    pub branding: Option<Branding>,
    /// Changes to requests of its tenants.
    #[serde(default)]
    pub request_headers: HeaderRules,
    /// Changes to responses to its tenants' clients.
    #[serde(default)]
    pub response_headers: HeaderRules,
    /// Which pages of other origins may use its tenants, where routes don't say.
    pub cors: Option<Spanned<CorsSetting>>,
    /// Its differences from the base routes: further ones, and by their names changed and disabled ones.
    #[serde(default)]
    pub routes: List<Route>,
}

/// Bounds on request bodies.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RequestBody {
    /// The largest; more is answered 413.
    pub max: Option<ByteSize>,
}
