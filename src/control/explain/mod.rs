//! What would become of a request, and why: decided by the functions that serve, over the snapshot that serves, without sending it.
//!
//! [`Rehearsal`] decides; here it is put into words, with where each part of the configuration was written. What is told is one JSON
//! document, whoever asks: the admin API answers with it, the command line draws it as a tree, and `check --tests` compares with it.

mod effective;
mod entrance;
mod identification;
mod local;
mod onward;
mod question;
mod redaction;
mod sources;
mod trial;
mod way;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

pub use local::{Local, LocalError};
pub use question::{InvalidQuestion, Question};
pub use trial::{Failure, Trial};

use super::limits;
use super::registry::{Registry, written_document};
use crate::config::{self, Document, read_tenant};
use crate::proxy::{Outcome, Rehearsal, Rejection, Snapshot};
use crate::store::{Glance, TenantKey};
use crate::tenant::Tenant;
use crate::types::TenantId;
use entrance::Entrance;
use identification::Hearing;
use sources::Sources;
use way::Way;

/// What is asked of.
#[derive(Debug, Clone)]
pub struct Ground {
    /// What serves, or would.
    pub snapshot: Arc<Snapshot>,
    /// What that was compiled from.
    pub document: Arc<Document>,
    /// The file that this was loaded from, if it is one.
    pub file: Option<PathBuf>,
    /// Where tenants are that the configuration doesn't have.
    pub kept: Kept,
    /// The running gateway's own; `None` where none runs.
    pub live: Option<Live>,
}

/// Where tenants are kept that the configuration doesn't have, for whoever asks.
#[derive(Debug, Clone)]
pub enum Kept {
    /// There is no store of tenants.
    Nowhere,
    /// In the store of a running gateway, if it has one.
    Registry(Arc<Registry>),
    /// In a store that is only read.
    Glance(Arc<Glance>),
    /// In a store that was not read: why.
    Unread(String),
}

/// What only a running gateway can say of its configuration.
#[derive(Debug, Clone)]
pub struct Live {
    /// How many configurations were loaded before.
    pub generation: u64,
    /// Whether the configuration's file is another one by now.
    pub is_outdated: bool,
}

/// What would become of a request. Nothing is charged, taken, counted or sent; a tenant that the store keeps is looked up, as a
/// request would.
pub async fn explain(ground: &Ground, question: Question) -> Value {
    let asked = question.told();
    let Question { head, peer, body_octets, certificate, is_https, port, .. } = question;
    let entrance = Entrance::of(&ground.document, is_https, port, certificate.is_some());
    let certificate = certificate.filter(|_| entrance.asks_for_certificates());
    let rehearsal =
        Rehearsal::new(Arc::clone(&ground.snapshot), head, peer, body_octets, ground.live.is_some());
    let secured = entrance.secured(rehearsal.host(), certificate.as_ref());
    let rehearsal = rehearsal.showing(certificate).over(secured, entrance.https_redirect());
    let (hearing, found) = rehearsal.identify(Hearing::default).await;
    let (file, looks_into_store) = (ground.file.clone(), !matches!(ground.kept, Kept::Unread(_)));
    // A large file takes a while to be read.
    let read = spawn_blocking(move || Sources::new(file.as_ref(), looks_into_store)).await;
    let mut sources = read.unwrap_or_default();
    let mut way = Way::default();
    let (tenant, outcome) = match found {
        Ok(identified) => {
            let outcome = rehearsal.decide(&identified, &mut way);
            (Some(identified.tenant), outcome)
        }
        Err(rejection) => (None, Outcome::Refused(rejection)),
    };
    let written = match &tenant {
        Some(tenant) => written(ground, tenant.id().as_str()).await,
        None => None,
    };
    let written = written.map(|(written, revision)| {
        sources.of_tenant(&written, revision);
        written
    });
    let onward = match &outcome {
        Outcome::Forwarded(onward) => Some(&**onward),
        Outcome::Answered(_) | Outcome::Refused(_) => None,
    };
    let document = &*ground.document;
    let client = rehearsal.client();
    let settings: Value = tenant
        .as_ref()
        .zip(written.as_ref())
        .map(|(tenant, written)| effective::told(document, written, tenant, &sources))
        .into();
    json!({
        "request": asked,
        "configuration": configuration(ground),
        "listener": entrance.told(),
        "client": {
            "address": client.ip.to_string(),
            "is_known": client.is_known,
            "via_trusted_proxy": client.via_trusted,
        },
        "identify": hearing.told(&rehearsal, &sources),
        "tenant": tenant.as_ref().map(|tenant| json!({
            "id": tenant.id().as_str(),
            "plan": written.as_ref().and_then(|written| written.plan.as_deref()),
            "source": of_tenant(tenant, written.as_deref(), &sources),
        })),
        "settings": settings,
        "route": way.told(document, written.as_deref(), &sources),
        "limits": ground.live.as_ref().and(tenant.as_ref()).map(|tenant| state(tenant, &way)),
        "pool": onward::pool(&way, onward, document, &sources, &settings, ground.live.is_some()),
        "upstream": onward.map(|onward| onward::upstream(rehearsal.head(), onward, document)),
        "response": match &outcome {
            Outcome::Forwarded(onward) => onward::response(onward, &way),
            Outcome::Answered(answer) => onward::answer(answer, &way),
            Outcome::Refused(_) => Value::Null,
        },
        "verdict": verdict(&outcome),
    })
}

/// The tenant as it was written, and at which revision, where the store has it.
async fn written(ground: &Ground, id: &str) -> Option<(Arc<config::Tenant>, Option<u64>)> {
    if let Some(configured) = sources::configured(&ground.document, id) {
        return Some((Arc::clone(configured), None));
    }
    let parsed = TenantId::parse(id).ok()?;
    let (document, revision) = match &ground.kept {
        Kept::Registry(registry) => {
            let shown = registry.tenant(id).await.ok()?;
            (shown.document, shown.revision)
        }
        Kept::Glance(glance) => {
            let record = glance.find(&TenantKey::Id(parsed.clone())).ok()??.record;
            (written_document(&record), Some(record.revision))
        }
        Kept::Nowhere | Kept::Unread(_) => return None,
    };
    Some((read_tenant(&ground.document, &parsed, &document).ok()?.tenant, revision))
}

fn of_tenant(tenant: &Tenant, written: Option<&config::Tenant>, sources: &Sources) -> Value {
    match written {
        Some(written) if !written.origin.file.is_empty() => written.origin.to_string().into(),
        Some(_) => sources.tenant(&[]),
        None => format!("{} is kept where it can't be read", tenant.id()).into(),
    }
}

fn configuration(ground: &Ground) -> Value {
    json!({
        "file": ground.file.as_ref().map(|file| file.display().to_string()),
        "running": ground.live.is_some(),
        "generation": ground.live.as_ref().map(|live| live.generation),
        // What is told of lines is of the file as it is now.
        "file_has_changed": ground.live.as_ref().is_some_and(|live| live.is_outdated),
        "store_not_read": match &ground.kept {
            Kept::Unread(why) => Some(why),
            Kept::Nowhere | Kept::Registry(_) | Kept::Glance(_) => None,
        },
        "store": ground.document.stores_tenants.then(|| ground.document.store.display().to_string()),
    })
}

/// How the tenant stands with its limits now, and the rates that apply to this request.
fn state(tenant: &Tenant, way: &Way) -> Value {
    let mut told = limits::told(tenant);
    let applying = way.rates.iter().map(|look| {
        json!({
            "name": &**look.label.name(),
            "allows": look.standing.allowed,
            "remaining": look.standing.remaining,
            "reset_seconds": look.standing.reset_s,
            "shadow": look.shadow,
        })
    });
    if let Value::Object(members) = &mut told {
        members.insert("applying".to_owned(), applying.collect());
    }
    told
}

fn verdict(outcome: &Outcome) -> Value {
    match outcome {
        // What the application says is its own.
        Outcome::Forwarded(_) => json!({ "action": "forward", "status": null, "code": null }),
        Outcome::Answered(answer) => {
            json!({ "action": "answer", "status": answer.status().as_u16(), "code": null })
        }
        Outcome::Refused(rejection) => {
            let row = rejection.row();
            json!({
                "action": "refuse",
                "status": row.status.as_u16(),
                "code": row.code,
                "detail": rejection.detail(),
                "retry_after_seconds": rejection.retry_after_s(),
                "policies": rejection.violated_policies().iter().map(|name| &**name).collect::<Vec<_>>(),
                "feature": Rejection::feature(rejection),
            })
        }
    }
}
