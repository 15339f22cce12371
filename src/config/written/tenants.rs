//! Tenants.

use schemars::JsonSchema;
use serde::Deserialize;

use super::branding::Branding;
use super::concurrency::Concurrency;
use super::cors::CorsSetting;
use super::features::Feature;
use super::headers::HeaderRules;
use super::plans::RequestBody;
use super::quotas::{OnOutageWord, Quota};
use super::rates::{NamedRateLimit, TenantRateLimit};
use super::routes::Route;
use super::text::{Network, Text};
use crate::config::decode::{Entries, List, Spanned, Unsupported};
use crate::config::document::{Domain, TenantState, TimeZone};
use crate::types::TenantId;

macro_rules! tenant {
    ($(#[$of_struct:meta])* $name:ident { $(#[$of_id:meta])* id: $id:ty }) => {
        $(#[$of_struct])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::config) struct $name {
            $(#[$of_id])*
            pub id: $id,
            /// Its plan. Default: none, and nothing but its own settings limits it.
            pub plan: Option<Spanned<String>>,
            /// The domains that it has claimed: www.example.com, or "*.shop.example.com" for all below.
            #[serde(default)]
            pub domains: List<Spanned<Text<Domain>>>,
            /// A pool of its own.
            pub pool: Option<Spanned<String>>,
            /// The time zone that its quotas' days and months are of, and its features' dates, like Europe/Berlin. Default UTC.
            pub time_zone: Option<Spanned<Text<TimeZone>>>,
            /// Free text about it, by name.
            #[serde(default)]
            pub labels: Entries<String>,
            /// Whether it is served. Default active.
            pub state: Option<State>,
            /// Its differences from its plan's limits.
            #[serde(default)]
            pub limits: TenantLimits,
            /// Features that it has beside its plan's; one takes the place of its plan's of the same name, and
            /// { name: NAME, enabled: false } takes that away.
            #[serde(default)]
            pub features: List<Spanned<Feature>>,
            /// Its differences from the default branding.
            pub branding: Option<Branding>,
            /// Changes to its requests, after its plan's.
            #[serde(default)]
            pub request_headers: HeaderRules,
            /// Changes to responses to its clients, after its plan's.
            #[serde(default)]
            pub response_headers: HeaderRules,
            /// Which pages of other origins may use it, where its routes don't say.
            pub cors: Option<Spanned<CorsSetting>>,
            /// Its differences from its plan's routes: further ones, and by their names changed and disabled ones.
            #[serde(default)]
            pub routes: List<Route>,
            /// Which clients it lets in.
            #[serde(default)]
            pub access: Access,
            /// How its clients prove who they are. Not supported yet.
            pub authentication: Option<Unsupported<Authentication>>,
        }
    };
}

tenant! {
    /// A customer of the operator.
    Tenant {
        /// Its id: 1 to 63 lower-case letters, digits and inner '-'.
        id: Spanned<Text<TenantId>>
    }
}

tenant! {
    /// A file of `tenants_dir`: a customer of the operator.
    TenantFile {
        /// Its id, where it is written: the same as the file's name without `.yaml`.
        id: Option<Spanned<Text<TenantId>>>
    }
}

impl TenantFile {
    /// The tenant, with the id that its file's name gives it.
    pub fn with_id(self, id: Spanned<Text<TenantId>>) -> Tenant {
        let Self { id: _, plan, domains, pool, time_zone, labels, state, limits, features, .. } = self;
        let Self {
            branding, request_headers, response_headers, cors, routes, access, authentication, ..
        } = self;
        Tenant {
            id,
            plan,
            domains,
            pool,
            time_zone,
            labels,
            state,
            limits,
            features,
            branding,
            request_headers,
            response_headers,
            cors,
            routes,
            access,
            authentication,
        }
    }
}

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum State {
    /// It is.
    Active,
    /// Refused with 403.
    Suspended,
    /// Refused with 503.
    Maintenance,
    /// Refused with 402.
    PastDue,
}

impl From<State> for TenantState {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Suspended => Self::Suspended,
            State::Maintenance => Self::Maintenance,
            State::PastDue => Self::PastDue,
        }
    }
}

/// A tenant's differences from its plan's limits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TenantLimits {
    /// Its rate limit: what is not written here stays as in its plan.
    pub rate_limit: Option<Spanned<TenantRateLimit>>,
    /// Further rate limits; one of the same name as its plan's takes that one's place.
    #[serde(default)]
    pub rate_limits: List<NamedRateLimit>,
    /// Its quotas: one replaces its plan's of the same name, the others are kept.
    #[serde(default)]
    pub quotas: List<Spanned<Quota>>,
    /// What becomes of requests whose quota the store would have to decide, while it does not answer.
    pub on_outage: Option<OnOutageWord>,
    /// Its part in the seats of pools: what is not written here stays as in its plan.
    pub concurrency: Option<Concurrency>,
    /// Bounds on its request bodies.
    pub request_body: Option<RequestBody>,
}

/// Which clients are let in; `deny` wins.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Access {
    /// Addresses and networks that are let in. Default: all.
    #[serde(default)]
    pub allow: List<Text<Network>>,
    /// Addresses and networks that are not.
    #[serde(default)]
    pub deny: List<Text<Network>>,
}

/// How clients prove who they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Authentication {
    /// By a signed token.
    jwt: Option<Jwt>,
}

/// Tokens that are believed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwt {
    /// Who issued them.
    issuer: String,
    /// The file of the issuer's public keys.
    jwks: String,
    /// Whom they are for.
    audience: Option<String>,
}
