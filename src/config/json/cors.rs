//! What is said of cross-origin requests, in the JSON that says it again.

use serde_json::{Value, json};

use super::write::{object, some, texts};
use crate::config::document::{CorsNames, CorsSetting};
use crate::types::TimeSpan;

pub(super) fn cors(setting: &CorsSetting) -> Value {
    let CorsSetting::On(cors) = setting else { return "off".into() };
    let listed = |names: &CorsNames| match names {
        CorsNames::Any => Some(json!(["*"])),
        CorsNames::Listed(names) => some(names.iter().map(String::as_str).collect(), !names.is_empty()),
    };
    object([
        ("allow_origins", Some(texts(&cors.origins))),
        // An empty list is not the default.
        ("allow_methods", listed(&cors.methods).or(Some(json!([])))),
        ("allow_headers", listed(&cors.headers)),
        ("expose_headers", listed(&cors.exposed)),
        ("allow_credentials", cors.credentials.then(|| true.into())),
        ("max_age", cors.max_age.map(|age| TimeSpan(age).to_string().into())),
        ("allow_private_network", cors.private_network.then(|| true.into())),
    ])
}
