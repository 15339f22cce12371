//! Which pages of other origins may use what: what is written, as what runs.

use std::sync::Arc;

use http::HeaderValue;

use crate::config::{self, CorsNames, CorsSetting, Document};
use crate::routing::{Allowed, Cors, RouteCors};

/// What holds for a tenant where its routes don't say.
pub(super) fn of_tenant(document: &Document, tenant: &config::Tenant) -> Option<Arc<Cors>> {
    document.cors_of(tenant).map(cors)
}

/// What a route says.
pub(super) fn of_route(written: Option<&CorsSetting>) -> RouteCors {
    match written {
        None => RouteCors::AsTenant,
        Some(CorsSetting::Off) => RouteCors::Off,
        Some(CorsSetting::On(written)) => RouteCors::Own(cors(written)),
    }
}

fn cors(written: &config::Cors) -> Arc<Cors> {
    Arc::new(Cors {
        origins: written.origins.clone(),
        methods: allowed(&written.methods),
        headers: allowed(&written.headers),
        exposed: match &written.exposed {
            CorsNames::Any => Some(HeaderValue::from_static("*")),
            CorsNames::Listed(names) => list(names),
        },
        credentials: written.credentials,
        max_age: written.max_age.map(|age| HeaderValue::from(age.as_secs())),
        private_network: written.private_network,
    })
}

fn allowed(written: &CorsNames) -> Allowed {
    match written {
        CorsNames::Any => Allowed::Any,
        CorsNames::Listed(names) => Allowed::Listed(list(names)),
    }
}

fn list(names: &[String]) -> Option<HeaderValue> {
    HeaderValue::try_from(names.join(", ")).ok().filter(|_| !names.is_empty())
}
