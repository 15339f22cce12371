//! `/api/v1/openapi.json`: the API, described for tools (OpenAPI 3.1).
//!
//! `operations` lists what there is, `schemas` the documents that go to and fro; that of a tenant is made from the types that
//! the configuration is read by. A test holds the list against the routes.

mod operations;
mod schemas;

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::paths::Paths;
use super::routes::json;
use operations::{OPERATIONS, Operation, PARAMETERS};

/// The route.
pub(super) fn paths() -> Paths {
    Paths::default().get("/openapi.json", show)
}

async fn show() -> Response {
    json(&document())
}

/// The description.
fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(format!("/api/v1{}", operation.path)).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(operation.method.to_ascii_lowercase(), described(operation));
        }
    }
    let parameters = PARAMETERS.iter().map(|parameter| (parameter.name.to_owned(), parameter.described()));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Tenants, their domains and keys, plans, pools, and the state of the gateway. Errors are \
                            problem documents (RFC 9457) with a `code`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "parameters": parameters.collect::<Map<_, _>>(),
            "schemas": schemas::all(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters = in_path.chain(operation.parameters.iter().copied());
    let parameters: Vec<Value> =
        parameters.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect();
    let mut responses = Map::new();
    for answer in operation.answers {
        responses.insert(answer.status.to_string(), answer.described(operation));
    }
    responses.insert("default".to_owned(), refusal("Refused: `code` says why."));
    for (status, what) in
        [(401, "No token, or another one."), (403, "No token is configured: the API is off.")]
    {
        responses.insert(status.to_string(), refusal(what));
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.path.split('/').nth(1).unwrap_or_default()],
        "parameters": parameters,
        "responses": responses,
    });
    if let (Some(body), Value::Object(members)) = (&operation.body, &mut described) {
        members.insert("requestBody".to_owned(), body.described());
    }
    described
}

fn refusal(what: &str) -> Value {
    json!({ "description": what, "content": { "application/problem+json": { "schema": reference("Problem") } } })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::routes::{quick, streams};

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let served = quick().and(streams());
        let mut served: Vec<(String, &str)> =
            served.listed().iter().map(|(method, path)| (method.to_string(), *path)).collect();
        let mut described: Vec<(String, &str)> =
            OPERATIONS.iter().map(|operation| (operation.method.to_owned(), operation.path)).collect();
        served.sort();
        described.sort();
        assert_eq!(served, described);
        let mut ids: Vec<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), OPERATIONS.len(), "an operation has a name of its own");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (key, value) in members {
                        match value {
                            Value::String(to) if key == "$ref" => found.push(to.clone()),
                            other => references(other, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        for kind in ["schemas", "parameters"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(found.contains(&reference), "{reference} is not used");
            }
        }
    }
}
