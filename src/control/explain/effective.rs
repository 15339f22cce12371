//! The tenant that a request belongs to, and the settings that hold for it, each with who says so.

use serde_json::{Value, json};

use super::redaction::{REDACTED, is_credential, is_secret};
use super::sources::Sources;
use crate::config::{self, Document, Feature, Setting, settings};
use crate::tenant::{Tenant, is_rolled_out};

/// The settings.
pub(super) fn told(
    document: &Document,
    written: &config::Tenant,
    tenant: &Tenant,
    sources: &Sources,
) -> Value {
    let told = settings(document, written).into_iter().map(|setting| {
        let (from, source) = sources.setting(document, written, &setting);
        let Setting { name, value, .. } = setting;
        let is_credential = value.as_str().is_some_and(|value| is_credential(value.as_bytes()));
        let value = if is_credential || holds_secret(&name) { REDACTED.into() } else { value };
        let mut told = json!({ "name": name, "value": value, "from": from, "source": source });
        if let (Some(feature), Value::Object(members)) = (name.strip_prefix("features."), &mut told) {
            let has = tenant.terms.features.now().has(feature);
            let written = document.features_of(written).into_iter().find(|written| written.name == feature);
            members.insert("has".to_owned(), has.into());
            members.insert("why".to_owned(), written.map(|written| why(written, tenant, has)).into());
        }
        told
    });
    told.collect()
}

/// A value that header rules write may be a credential: the application's.
fn holds_secret(name: &str) -> bool {
    let field =
        ["request_headers.", "response_headers."].iter().find_map(|section| name.strip_prefix(section));
    field
        .and_then(|field| field.split_once('.'))
        .is_some_and(|(kind, name)| kind != "remove" && is_secret(name))
}

/// Why the tenant has a feature, or does not.
fn why(feature: &Feature, tenant: &Tenant, has: bool) -> String {
    let Feature { name, enabled, percent, from, until } = feature;
    let times = [("from", from), ("until", until)];
    let times = times.iter().filter_map(|(word, at)| at.as_ref().map(|at| format!("{word} {at}")));
    let times = times.collect::<Vec<_>>().join(" ");
    if !enabled {
        "it is switched off".to_owned()
    } else if !is_rolled_out(name, *percent, tenant.id()) {
        format!("{percent} % of tenants have it, and this one is not among them")
    } else if !has {
        format!("it is had {times}")
    } else if *percent < Feature::ALL {
        format!("it is among the {percent} % of tenants that have it {times}").trim_end().to_owned()
    } else if times.is_empty() {
        "always".to_owned()
    } else {
        times
    }
}
