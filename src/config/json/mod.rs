//! Tenants as JSON: what the API takes and gives, what the store keeps.
//!
//! The keys and their meaning are those of a tenant in the configuration, and the same code decodes, builds and
//! checks both. `tree` makes of a JSON value what the YAML parser makes of a text, with JSON pointers in the place of
//! lines; `write` says in JSON what a tenant of the configuration is; `parts` tells apart what the store looks into
//! and what it only keeps. Variables (`${…}`) are not filled in: whoever may write tenants need not see the environment.

mod branding;
mod cors;
mod parts;
mod routes;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod write;

use std::sync::Arc;

use serde_json::Value;

use super::build::{Builder, Claims};
use super::decode::{Decoder, Spanned};
use super::diagnostic::Severity;
use super::document::{Document, Domain, Tenant};
use super::findings::Findings;
use super::source::Mark;
use super::written::{TenantFile, Text};
use crate::types::TenantId;

pub use parts::{TenantParts, split_tenant};
pub use settings::{Level, Setting, pool_timeouts, settings};
pub use write::{plan_json, tenant_json};

use tree::Tree;

/// Keys that are told of a tenant but can't be written: in a document that is taken they are passed over, so that what
/// was got can be edited and put back.
pub const READ_ONLY_KEYS: [&str; 5] = ["source", "origin", "revision", "created_at", "updated_at"];

/// A tenant that was read from JSON and fits the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantRead {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// What is probably not as meant.
    pub warnings: Vec<Fault>,
}

/// What is wrong in a JSON document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) as a URI fragment, like `#/limits/rate_limit/rate`.
    pub pointer: String,
    /// A stable name for the kind of finding, the same as in [`super::Diagnostic`].
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Reads a tenant, and checks how it goes together with the plans, pools, routes and limits of a document. Whether
/// another tenant has one of its domains is not looked at: that is for whoever knows all tenants.
///
/// # Errors
/// Everything that is wrong, at once; at least one fault.
pub fn read_tenant(document: &Document, id: &TenantId, value: &Value) -> Result<TenantRead, Vec<Fault>> {
    let findings = Findings::default();
    let tree = Tree::of(value);
    let tenant = read(&findings, document, id, value, &tree);
    let has_errors = findings.errors_in(0) > 0;
    let faults: Vec<Fault> = findings
        .take_marked()
        .into_iter()
        .filter(|(_, found)| !has_errors || found.severity == Severity::Error)
        .map(|(mark, found)| Fault {
            pointer: tree.pointer(mark),
            code: found.code,
            message: found.message,
            hint: found.hint,
        })
        .collect();
    match tenant {
        Some(tenant) if !has_errors => Ok(TenantRead { tenant, warnings: faults }),
        _ => Err(faults),
    }
}

/// Reads a domain that a tenant is to have.
///
/// # Errors
/// It is none, or a host pattern gives it to others.
pub fn read_domain(document: &Document, id: &TenantId, text: &str) -> Result<Domain, Fault> {
    let findings = Findings::default();
    let found = match text.parse::<Domain>() {
        Ok(domain) => {
            let builder = Builder::over(&findings, document);
            builder.check_domain(document, id, &domain, Mark::default());
            Some(domain)
        }
        Err(error) => {
            findings.error("invalid-value", Mark::default(), format!("`{text}` is no domain: {error}"));
            None
        }
    };
    match (findings.take_marked().into_iter().next(), found) {
        (None, Some(domain)) => Ok(domain),
        (fault, _) => Err(Fault {
            pointer: "#".to_owned(),
            code: fault.as_ref().map_or("invalid-value", |(_, found)| found.code),
            hint: fault.as_ref().and_then(|(_, found)| found.hint.clone()),
            message: fault.map(|(_, found)| found.message).unwrap_or_default(),
        }),
    }
}

fn read(
    findings: &Findings,
    document: &Document,
    id: &TenantId,
    value: &Value,
    tree: &Tree<'_>,
) -> Option<Arc<Tenant>> {
    let whole = Mark::default();
    if !value.is_object() {
        // The decoder would take null for an empty one.
        findings
            .error("invalid-type", whole, "a tenant is a JSON object")
            .hint("write it like {\"plan\": \"free\", \"domains\": [\"www.example.com\"]}");
        return None;
    }
    let decoder = Decoder::of_json(findings);
    let written: TenantFile = decoder.decode(&tree.root)?;
    if let Some(other) = written.id.as_ref().filter(|written| written.value.0 != *id) {
        let message = format!("the id is `{}` here, and `{id}` where it is sent to", other.value.0);
        findings.error("invalid-value", other.mark, message).hint("an id can't be changed: leave it out");
    }
    let builder = Builder::over(findings, document);
    let written = written.with_id(Spanned { value: Text(id.clone()), mark: whole, key: whole });
    let candidate = builder.tenant(&written);
    Claims::default().enter(&candidate, findings);
    builder.check_tenant(document, None, &candidate);
    Some(candidate.tenant)
}
