//! The JSON Schema of the configuration, for editors and other tools.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::written::{Config, TenantFile};

/// The JSON Schema of the configuration (draft 2020-12), made from the types that read it.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

/// Keys of a tenant that are part of the configuration's surface, but refused.
const UNSUPPORTED: [&str; 2] = ["routes", "authentication"];

/// The JSON Schema of a tenant as `Tenant`, and of what it refers to, for the components of an OpenAPI document.
#[must_use]
pub fn tenant_schemas() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let _ = generator.subschema_for::<TenantFile>();
    let mut schemas = generator.take_definitions(true);
    let mut tenant = schemas.remove("TenantFile").unwrap_or_default();
    if let Some(Value::Object(properties)) = tenant.get_mut("properties") {
        properties.retain(|key, _| !UNSUPPORTED.contains(&key.as_str()));
        properties.insert(
            "id".to_owned(),
            serde_json::json!({
                "type": "string",
                "description": "Its id: 1 to 63 lower-case letters, digits and inner '-'.",
                "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            }),
        );
    }
    schemas.insert("Tenant".to_owned(), tenant);
    let mut used = BTreeSet::new();
    collect("Tenant", &schemas, &mut used);
    schemas.retain(|name, _| used.contains(name));
    schemas
}

/// The names of a schema and of all that it refers to.
fn collect(name: &str, schemas: &Map<String, Value>, used: &mut BTreeSet<String>) {
    if !used.insert(name.to_owned()) {
        return;
    }
    let mut pending: Vec<&Value> = schemas.get(name).into_iter().collect();
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) => {
                if let Some(other) = text.strip_prefix("#/components/schemas/") {
                    collect(other, schemas, used);
                }
            }
            Value::Array(items) => pending.extend(items),
            Value::Object(members) => pending.extend(members.values()),
            _ => {}
        }
    }
}
