//! The documents of the API.

use serde_json::{Map, Value, json};

use super::reference;
use crate::control::registry::tenant_schemas;

/// All of them, by name.
pub(super) fn all() -> Map<String, Value> {
    let mut schemas = tenant_schemas();
    if let Some(Value::Object(tenant)) = schemas.get_mut("Tenant")
        && let Some(Value::Object(properties)) = tenant.get_mut("properties")
    {
        for (name, what, kind) in [
            ("source", "`store` or `configuration`.", "string"),
            ("origin", "Where in the configuration it is.", "string"),
            ("revision", "The number of the change that made it what it is; its ETag.", "integer"),
            ("created_at", "When it was made.", "string"),
            ("updated_at", "When it was changed last.", "string"),
        ] {
            let property = json!({ "description": what, "type": kind, "readOnly": true });
            properties.insert(name.to_owned(), property);
        }
    }
    schemas.extend(own().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    schemas
}

fn own() -> [(&'static str, Value); 28] {
    let text = json!({ "type": "string" });
    let time = json!({ "type": ["string", "null"], "format": "date-time" });
    let number = json!({ "type": "integer", "minimum": 0 });
    let maybe_text = json!({ "type": ["string", "null"] });
    let any_object = json!({ "type": "object" });
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let page = |key: &str, of: &str| {
        object(&[key, "next_cursor"], json!({ key: list(of), "next_cursor": maybe_text }))
    };
    let key = json!({
        "id": text, "name": text, "hint": text, "created_at": time, "expires_at": time, "replaced_by": maybe_text,
        "state": { "enum": ["active", "replaced", "expired"] },
        "key": { "description": "The key itself: only where it was made.", "type": "string" },
    });
    let domain = json!({
        "domain": text, "state": { "enum": ["verified", "pending", "lapsed"] }, "method": maybe_text, "created_at": time,
        "verified_at": time, "tenant": maybe_text, "challenge": reference("Challenge"),
        "claims": { "description": "Who claims it, where nobody has proven it.", "type": "array", "items": any_object },
        "ordered": { "description": "What became of the order that was asked for.", "enum": ["now", "under_way"] },
        "detail": text,
        "certificate": {
            "description": "How it stands with its certificate, where certificates are ordered.", "type": "object",
            "properties": {
                "state": { "enum": ["valid", "expired", "unreadable", "ordering", "failing", "waiting", "file", "none"] },
                "file": text, "issuer": text, "serial": text, "issued_at": time, "not_before": time, "not_after": time, "renew_at": time,
                "detail": text, "order": any_object, "last_error": any_object, "failures": number, "next_try": time,
                "dns": any_object,
            },
        },
    });
    [
        ("Any", json!({ "type": "object" })),
        (
            "Lines",
            json!({ "description": "A JSON document a line, each that of a tenant with its `id`.", "type": "string" }),
        ),
        ("Problem", problem()),
        (
            "InvalidMember",
            object(
                &["pointer", "code", "detail"],
                json!({
                    "pointer": { "description": "A JSON pointer, as a URI fragment.", "type": "string" },
                    "code": text, "detail": text, "hint": text,
                }),
            ),
        ),
        ("TenantPage", page("tenants", "Tenant")),
        ("Reason", closed(&[], json!({ "reason": { "type": "string", "maxLength": 1000 } }))),
        (
            "Challenge",
            object(
                &["dns"],
                json!({
                    "dns": object(&["name", "type", "value"], json!({ "name": text, "type": text, "value": text })),
                    "http": object(&["url", "body"], json!({ "url": text, "body": text })),
                }),
            ),
        ),
        ("Domain", object(&["domain", "state", "method"], domain)),
        ("Domains", object(&["domains"], json!({ "domains": list("Domain") }))),
        (
            "DomainClaim",
            closed(
                &["domain"],
                json!({
                    "domain": text,
                    "verified": { "description": "Whether you vouch for it.", "type": "boolean", "default": false },
                }),
            ),
        ),
        (
            "DomainProof",
            closed(
                &[],
                json!({
                    "method": { "description": "Where to look; by default in both.", "enum": ["dns", "http"] },
                }),
            ),
        ),
        ("Key", object(&["id", "hint", "state"], key)),
        ("Keys", object(&["keys"], json!({ "keys": list("Key") }))),
        (
            "KeyRequest",
            closed(
                &[],
                json!({
                    "name": { "type": "string", "maxLength": 128 }, "expires_in": reference("Duration"),
                }),
            ),
        ),
        (
            "KeyRotation",
            closed(&[], json!({ "overlap": reference("Duration"), "expires_in": reference("Duration") })),
        ),
        ("Plan", object(&["name", "tenants"], json!({ "name": text, "tenants": number }))),
        ("Plans", object(&["plans"], json!({ "plans": list("Plan") }))),
        (
            "AuditEntry",
            object(
                &["seq", "at", "actor", "action"],
                json!({
                    "seq": number, "at": time, "actor": text, "action": text, "tenant": maybe_text, "reason": maybe_text,
                    "before": { "type": ["object", "null"] }, "after": { "type": ["object", "null"] },
                }),
            ),
        ),
        (
            "AuditPage",
            object(
                &["entries", "next_cursor", "oldest_at", "removed_up_to"],
                json!({
                    "entries": list("AuditEntry"), "next_cursor": maybe_text,
                    "oldest_at": { "description": "When the oldest entry was made that there still is.", "type": ["string", "null"], "format": "date-time" },
                    "removed_up_to": { "description": "Up to which number entries were removed, being older than `audit.retain`; 0: none.", "type": "integer", "minimum": 0 },
                }),
            ),
        ),
        (
            "ImportReport",
            object(
                &["lines", "created", "updated", "unchanged", "failed", "dry_run", "errors"],
                json!({
                    "lines": number, "created": number, "updated": number, "unchanged": number, "failed": number,
                    "dry_run": { "type": "boolean" }, "errors_truncated": { "type": "boolean" },
                    "errors": { "type": "array", "items": object(&["line", "code", "detail"], json!({
                        "line": number, "id": maybe_text, "code": text, "detail": text, "pointer": text, "hint": text,
                    })) },
                }),
            ),
        ),
        (
            "Backup",
            json!({ "description": "A JSON document a line; the last one has the number of records and the SHA-256 of all lines before it.", "type": "string" }),
        ),
        ("RestoreReport", restore_report()),
        (
            "Status",
            object(
                &["version", "state", "config"],
                json!({ "version": text, "state": text, "config": any_object }),
            ),
        ),
        ("Pool", object(&["name", "endpoints"], json!({ "name": text, "endpoints": { "type": "array" } }))),
        ("Pools", object(&["pools"], json!({ "pools": list("Pool") }))),
        (
            "Question",
            object(
                &["url"],
                json!({
                    "url": text, "method": maybe_text, "from": maybe_text, "client_certificate": maybe_text,
                    "headers": {
                        "description": "Fields of the request: a value, or a list of values, one a line.",
                        "type": ["object", "null"],
                        "additionalProperties": { "type": ["string", "array"], "items": text },
                    },
                }),
            ),
        ),
        ("Endpoint", object(&["endpoint"], json!({ "endpoint": text }))),
        (
            "EndpointWeight",
            object(
                &["endpoint", "weight"],
                json!({
                    "endpoint": text, "weight": { "type": "integer", "minimum": 0, "maximum": 1000 },
                }),
            ),
        ),
    ]
}

fn restore_report() -> Value {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let flag = json!({ "type": "boolean" });
    let sums = |names: &[&str]| {
        let properties: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), number.clone())).collect();
        object(names, Value::Object(properties))
    };
    let change = json!({
        "action": { "enum": ["create", "change", "delete"] },
        "kind": { "enum": ["tenant", "domain", "key", "usage"] },
        "tenant": text, "domain": text, "id": text, "members": { "type": "array", "items": text },
        "period_start": { "type": ["string", "null"], "format": "date-time" }, "units": number, "units_before": number,
    });
    let error = json!({ "tenant": text, "code": text, "detail": text, "pointer": text, "hint": text });
    let list = |of: Value| json!({ "type": "array", "maxItems": 1000, "items": of });
    object(
        &["dry_run", "tenants", "domains", "keys", "usage", "audit", "changes", "errors"],
        json!({
            "dry_run": flag,
            "tenants": sums(&["created", "changed", "unchanged", "failed"]),
            "domains": sums(&["created", "changed", "deleted"]),
            "keys": sums(&["created", "changed", "deleted"]),
            "usage": sums(&["created", "changed"]),
            "audit": sums(&["created"]),
            "changes": list(object(&["action", "kind", "tenant"], change)),
            "changes_truncated": flag,
            "errors": list(object(&["tenant", "code", "detail"], error)),
            "errors_truncated": flag,
        }),
    )
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    object(
        &["type", "title", "status", "code"],
        json!({
            "type": text, "title": text, "detail": text, "code": text,
            "status": { "type": "integer" },
            "errors": { "type": "array", "items": { "anyOf": [reference("InvalidMember"), { "type": "object" }] } },
        }),
    )
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

/// An object that has no other keys.
fn closed(required: &[&str], properties: Value) -> Value {
    let mut schema = object(required, properties);
    if let Value::Object(members) = &mut schema {
        members.insert("additionalProperties".to_owned(), false.into());
    }
    schema
}
