//! The JSON Schema of the configuration, for editors and other tools.

use super::written::Config;

/// The JSON Schema of the configuration (draft 2020-12), made from the types that read it.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}
