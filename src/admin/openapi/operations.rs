//! What can be done with the API.

use serde_json::{Map, Value, json};

use super::{reference, refusal};

/// Something that can be done.
pub(super) struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    /// Names of parameters, beside those in the path.
    pub parameters: &'static [&'static str],
    pub body: Option<Body>,
    pub answers: &'static [Answer],
}

/// What is sent.
pub(super) struct Body {
    kinds: &'static [&'static str],
    schema: &'static str,
    required: bool,
}

/// What may be answered.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub status: u16,
    what: &'static str,
    /// Its kind and schema, where it has a body.
    content: Option<(&'static str, &'static str)>,
}

/// A parameter.
pub(super) struct Parameter {
    pub name: &'static str,
    key: &'static str,
    place: &'static str,
    what: &'static str,
    schema: fn() -> Value,
    example: Option<&'static str>,
}

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
/// What changes a tenant, and for whom.
const CHANGE: &[&str] = &["if_match", "if_none_match", "actor"];
const FILTERED: &[&str] = &["limit", "cursor", "plan", "state", "label", "owns", "q", "source"];
const EXPORTED: &[&str] = &["plan", "state", "label", "owns", "q"];

const CONFLICT: Answer = refused(409, "It can't be so now: `code` says why.");
const INVALID: Answer = refused(422, "The document is not valid: `errors` says what to change.");
const UNKNOWN: Answer = refused(404, "There is no such thing.");
const UNEXPECTED: Answer = refused(412, "The tenant is not as the request takes for granted.");
const NOT_JSON: Answer = refused(415, "The body is not said to be JSON.");
const BUSY: Answer = refused(503, "Another one is under way, or the store is busy.");
const BAD: Answer = refused(400, "The request can't be understood.");
const DONE: Answer = Answer { status: 204, what: "Done.", content: None };
const TENANT: Answer = ok(200, "The tenant as it is now.", "Tenant");
const MADE: Answer = ok(201, "The tenant that was made.", "Tenant");
const POOL: Answer = ok(200, "The pool as it is now.", "Pool");
const SENT_TENANT: Option<Body> = Some(Body { kinds: &[JSON], schema: "Tenant", required: true });
const SENT_REASON: Option<Body> = Some(Body { kinds: &[JSON], schema: "Reason", required: false });

/// All of them.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    plain("GET", "/status", "getStatus", "The state of the gateway", &[ok(200, "The state.", "Status")]),
    plain("POST", "/reload", "reload", "Read the configuration anew", &[
        ok(200, "The state since.", "Status"), CONFLICT, INVALID,
    ]),
    plain("GET", "/openapi.json", "getOpenApi", "This description", &[ok(200, "OpenAPI 3.1.", "Any")]),
    plain("GET", "/pools", "listPools", "How all pools stand", &[ok(200, "The pools.", "Pools")]),
    plain("GET", "/pools/{pool}", "getPool", "How a pool stands", &[POOL, UNKNOWN]),
    sent("POST", "/pools/{pool}/drain", "drainEndpoint", "Give an endpoint no new requests", "Endpoint", &[POOL, BAD, UNKNOWN]),
    sent("POST", "/pools/{pool}/undrain", "undrainEndpoint", "Give an endpoint requests again", "Endpoint", &[POOL, BAD, UNKNOWN]),
    sent("POST", "/pools/{pool}/weight", "weighEndpoint", "Change an endpoint's weight", "EndpointWeight", &[POOL, BAD, UNKNOWN]),
    Operation { parameters: FILTERED, ..plain("GET", "/tenants", "listTenants", "A page of tenants, by id", &[
        ok(200, "The page.", "TenantPage"), BAD,
    ]) },
    Operation { parameters: &["actor"], body: SENT_TENANT, ..plain("POST", "/tenants", "createTenant", "Make a tenant", &[
        MADE, BAD, CONFLICT, NOT_JSON, INVALID,
    ]) },
    Operation { parameters: &["if_none_match"], ..plain("GET", "/tenants/{id}", "getTenant", "A tenant", &[
        TENANT, Answer { status: 304, what: "It is as the client knows it.", content: None }, UNKNOWN,
    ]) },
    Operation { parameters: CHANGE, body: SENT_TENANT, ..plain("PUT", "/tenants/{id}", "putTenant", "Make or replace a tenant", &[
        TENANT, MADE, BAD, CONFLICT, UNEXPECTED, NOT_JSON, INVALID,
    ]) },
    Operation {
        parameters: CHANGE,
        body: Some(Body { kinds: &["application/merge-patch+json", JSON], schema: "Any", required: true }),
        ..plain("PATCH", "/tenants/{id}", "patchTenant", "Change a tenant by a JSON merge patch (RFC 7396)", &[
            TENANT, BAD, UNKNOWN, CONFLICT, UNEXPECTED, NOT_JSON, INVALID,
        ])
    },
    Operation { parameters: CHANGE, ..plain("DELETE", "/tenants/{id}", "deleteTenant", "Delete a tenant with its domains and keys", &[
        DONE, BAD, UNKNOWN, CONFLICT, UNEXPECTED,
    ]) },
    Operation { parameters: CHANGE, body: SENT_REASON, ..plain("POST", "/tenants/{id}/suspend", "suspendTenant", "Refuse a tenant's requests", &[
        TENANT, BAD, UNKNOWN, CONFLICT, UNEXPECTED, NOT_JSON,
    ]) },
    Operation { parameters: CHANGE, body: SENT_REASON, ..plain("POST", "/tenants/{id}/resume", "resumeTenant", "Serve a tenant again", &[
        TENANT, BAD, UNKNOWN, CONFLICT, UNEXPECTED, NOT_JSON,
    ]) },
    plain("GET", "/tenants/{id}/limits", "getTenantLimits", "How a tenant stands with its limits", &[ok(200, "Its limits.", "Any"), UNKNOWN]),
    plain("GET", "/tenants/{id}/domains", "listDomains", "A tenant's domains, also those that it only claims", &[
        ok(200, "The domains.", "Domains"), UNKNOWN, CONFLICT,
    ]),
    Operation { parameters: &["actor"], ..sent("POST", "/tenants/{id}/domains", "claimDomain", "Claim a domain, or give it to a tenant", "DomainClaim", &[
        ok(201, "The domain, with what is to be published as a proof where it is only claimed.", "Domain"),
        BAD, UNKNOWN, CONFLICT, NOT_JSON, INVALID,
    ]) },
    Operation { parameters: &["actor"], ..plain("DELETE", "/tenants/{id}/domains/{domain}", "releaseDomain", "Take a domain from a tenant", &[
        DONE, BAD, UNKNOWN, CONFLICT,
    ]) },
    Operation {
        parameters: &["actor"],
        body: Some(Body { kinds: &[JSON], schema: "DomainProof", required: false }),
        ..plain("POST", "/tenants/{id}/domains/{domain}/verify", "verifyDomain", "Look now for the proof that a domain is the tenant's", &[
            ok(200, "The domain, which is the tenant's.", "Domain"), BAD, UNKNOWN,
            refused(409, "There is no proof (`not_verified`: `looked` says where and what was found), it is another tenant's, or the claim has lapsed."),
            NOT_JSON, INVALID,
        ])
    },
    plain("GET", "/domains/{domain}", "getDomain", "Whose a domain is or who claims it, and how it stands with its certificate", &[ok(200, "The domain and its tenant.", "Domain"), BAD, UNKNOWN]),
    plain("POST", "/domains/{domain}/certificate", "orderCertificate", "Order a domain's certificate now", &[
        ok(202, "It is ordered (`ordered`, `detail`): the domain as it stands.", "Domain"), BAD, UNKNOWN,
        refused(409, "None are ordered here, or not for this domain now (`not_ordered`: `reason`, `detail` and `until` say why)."), BUSY,
    ]),
    plain("GET", "/tenants/{id}/keys", "listKeys", "A tenant's keys, without what they are", &[ok(200, "The keys.", "Keys"), UNKNOWN, CONFLICT]),
    Operation {
        parameters: &["actor"],
        body: Some(Body { kinds: &[JSON], schema: "KeyRequest", required: false }),
        ..plain("POST", "/tenants/{id}/keys", "issueKey", "Issue a key", &[
            ok(201, "The key, which is shown this once.", "Key"), BAD, UNKNOWN, CONFLICT, NOT_JSON,
        ])
    },
    Operation {
        parameters: &["actor"],
        body: Some(Body { kinds: &[JSON], schema: "KeyRotation", required: false }),
        ..plain("POST", "/tenants/{id}/keys/{key}/rotate", "rotateKey", "Issue a key in the place of another", &[
            ok(201, "The key, which is shown this once.", "Key"), BAD, UNKNOWN, CONFLICT, NOT_JSON,
        ])
    },
    Operation { parameters: &["actor"], ..plain("DELETE", "/tenants/{id}/keys/{key}", "revokeKey", "Revoke a key at once", &[
        DONE, BAD, UNKNOWN, CONFLICT,
    ]) },
    Operation { parameters: &["asked_url", "asked_method", "asked_from", "asked_header"], ..plain("GET", "/explain", "explain", "What would become of a request, and why", &[
        ok(200, "The explanation.", "Any"), BAD,
    ]) },
    sent("POST", "/explain", "explainRequest", "What would become of a request, and why", "Question", &[
        ok(200, "The explanation.", "Any"), BAD, NOT_JSON,
    ]),
    plain("GET", "/plans", "listPlans", "All plans, as they are configured", &[ok(200, "The plans.", "Plans")]),
    plain("GET", "/plans/{name}", "getPlan", "A plan", &[ok(200, "The plan.", "Plan"), UNKNOWN]),
    Operation { parameters: &["tenant", "by", "action", "since", "limit", "cursor"], ..plain("GET", "/audit", "listAudit", "Who changed what, the newest first", &[
        ok(200, "The page.", "AuditPage"), BAD, CONFLICT,
    ]) },
    Operation {
        parameters: &["mode", "dry_run", "actor"],
        body: Some(Body { kinds: &[LINES], schema: "Lines", required: false }),
        ..plain("POST", "/import", "importTenants", "Make or replace many tenants, one a line", &[
            ok(200, "What became of the lines.", "ImportReport"), BAD, CONFLICT, refused(422, "No line could be taken."),
        ])
    },
    plain("GET", "/backup", "backUp", "All that the store has, while it serves", &[
        Answer { status: 200, what: "A record a line, the last of which seals it.", content: Some((LINES, "Backup")) }, BAD, CONFLICT, BUSY,
    ]),
    Operation {
        parameters: &["only", "dry", "actor"],
        body: Some(Body { kinds: &[LINES], schema: "Backup", required: true }),
        ..plain("POST", "/restore", "restore", "Bring a backup back, or one tenant of it", &[
            ok(200, "What changes, or has changed.", "RestoreReport"), BAD, UNKNOWN, CONFLICT, refused(422, "It is no good backup, or the tenant is not valid."), BUSY,
        ])
    },
    Operation { parameters: EXPORTED, ..plain("GET", "/export", "exportTenants", "The store's tenants, one a line", &[
        Answer { status: 200, what: "A tenant a line, by id.", content: Some((LINES, "Lines")) }, BAD, CONFLICT,
    ]) },
];

/// All parameters.
#[rustfmt::skip]
pub(super) const PARAMETERS: &[Parameter] = &[
    path("id", "A tenant's id.", "acme"),
    path("pool", "A pool's name.", "shared"),
    path("name", "A plan's name.", "pro"),
    path("domain", "A domain: www.example.com, or *.example.com.", "www.acme.test"),
    path("key", "A key's id.", "key_0123456789abcdef"),
    header("if_match", "If-Match", "The ETag that the tenant must have, or `*`: it must be there."),
    header("if_none_match", "If-None-Match", "`*` for a change: the tenant must not be there. An ETag for a look: 304 where it is the same."),
    Parameter { schema: || json!({ "type": "string", "minLength": 1, "maxLength": 128 }), ..header("actor", "X-Tollgate-Actor", "Who makes the change, for the audit log.") },
    Parameter { schema: || json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }), ..query("limit", "How many entries a page has at most; it has fewer where they would be more than 4 MiB.") },
    query("cursor", "`next_cursor` of the page before."),
    query("plan", "Only tenants of this plan."),
    Parameter { schema: || json!({ "enum": ["active", "suspended", "maintenance", "past_due"] }), ..query("state", "Only tenants in this state.") },
    Parameter { schema: || json!({ "type": "array", "items": { "type": "string", "pattern": "^[^=]+=.*$" } }), ..query("label", "Only tenants with this label, `name=value`; may be there more often.") },
    Parameter { key: "domain", ..query("owns", "Only the tenant with this domain.") },
    query("q", "Only tenants with this text in their id, in a domain or in a label's value."),
    Parameter { schema: || json!({ "enum": ["configuration", "store"] }), ..query("source", "Only tenants from there.") },
    query("tenant", "Only changes of this tenant."),
    Parameter { key: "actor", ..query("by", "Only changes by this actor.") },
    query("action", "Only changes of this kind, like tenant.update."),
    Parameter { schema: || json!({ "type": "string", "format": "date-time" }), ..query("since", "Only changes from this time on.") },
    Parameter { schema: || json!({ "enum": ["upsert", "create"], "default": "upsert" }), ..query("mode", "Whether tenants that are there are replaced.") },
    Parameter { schema: || json!({ "type": "boolean", "default": false }), ..query("dry_run", "Only say what would become of each line.") },
    Parameter { key: "url", ..query("asked_url", "The request's URL, like https://www.example.com/path. It has to be there.") },
    Parameter { key: "method", ..query("asked_method", "Its method; GET by default.") },
    Parameter { key: "from", ..query("asked_from", "The address that it comes from; by default one that is nobody's.") },
    Parameter { key: "header", schema: || json!({ "type": "array", "items": { "type": "string", "pattern": "^[^:]+:.*$" } }), ..query("asked_header", "A field of it, `name:value`; may be there more often.") },
    Parameter { key: "tenant", ..query("only", "Only this tenant; no other is touched.") },
    Parameter { key: "dry_run", schema: || json!({ "type": "boolean", "default": true }), ..query("dry", "Only say what would change.") },
];

const fn plain(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [Answer],
) -> Operation {
    Operation { method, path, id, summary, parameters: &[], body: None, answers }
}

const fn sent(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    schema: &'static str,
    answers: &'static [Answer],
) -> Operation {
    let body = Some(Body { kinds: &[JSON], schema, required: true });
    Operation { method, path, id, summary, parameters: &[], body, answers }
}

const fn ok(status: u16, what: &'static str, schema: &'static str) -> Answer {
    Answer { status, what, content: Some((JSON, schema)) }
}

const fn refused(status: u16, what: &'static str) -> Answer {
    Answer { status, what, content: Some(("application/problem+json", "Problem")) }
}

const fn path(name: &'static str, what: &'static str, example: &'static str) -> Parameter {
    let schema = || json!({ "type": "string", "minLength": 1 });
    Parameter { name, key: name, place: "path", what, schema, example: Some(example) }
}

const fn query(name: &'static str, what: &'static str) -> Parameter {
    Parameter { name, key: name, place: "query", what, schema: || json!({ "type": "string" }), example: None }
}

const fn header(name: &'static str, key: &'static str, what: &'static str) -> Parameter {
    Parameter { name, key, place: "header", what, schema: || json!({ "type": "string" }), example: None }
}

impl Parameter {
    /// As OpenAPI has it.
    pub(super) fn described(&self) -> Value {
        let mut described = json!({
            "name": self.key,
            "in": self.place,
            "required": self.place == "path",
            "description": self.what,
            "schema": (self.schema)(),
        });
        if let (Some(example), Value::Object(members)) = (self.example, &mut described) {
            members.insert("example".to_owned(), example.into());
        }
        described
    }
}

impl Body {
    /// As OpenAPI has it.
    pub(super) fn described(&self) -> Value {
        let content =
            self.kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": reference(self.schema) })));
        json!({ "required": self.required, "content": content.collect::<Map<_, _>>() })
    }
}

impl Answer {
    /// As OpenAPI has it.
    pub(super) fn described(&self, operation: &Operation) -> Value {
        let Some((kind, schema)) = self.content else { return json!({ "description": self.what }) };
        if kind == "application/problem+json" {
            return refusal(self.what);
        }
        let mut described =
            json!({ "description": self.what, "content": { kind: { "schema": reference(schema) } } });
        if let (true, Value::Object(members)) = (schema == "Tenant", &mut described) {
            let field = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
            let etag = field("Its revision; not for one of the configuration.");
            let headers = match self.status == 201 && operation.method != "GET" {
                true => json!({ "ETag": etag, "Location": field("Where it is.") }),
                false => json!({ "ETag": etag }),
            };
            members.insert("headers".to_owned(), headers);
        }
        described
    }
}
