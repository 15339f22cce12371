//! `/api/v1/restore`: a backup, brought back.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::AdminState;
use super::body::Asker;
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use super::refused::reason;
use super::routes::json;
use crate::control::registry::{Refusal, RestoreReport, Sums};
use crate::types::TenantId;

/// How long the client may send nothing.
const STALL: Duration = Duration::from_secs(30);

/// The route. It takes as long as the client sends, and the store writes.
pub(super) fn paths() -> Paths {
    Paths::default().post("/restore", restore)
}

async fn restore(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    uri: Uri,
    mut body: Body,
) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["tenant", "dry_run"], &[])?;
    // What could not be told from its absence would bring everything back.
    let only = query.all("tenant").next();
    let dry_run = query.flag("dry_run", true)?;
    let mut receiving = state.control.registry().receive_backup().await?;
    while let Some(bytes) = received(&mut body).await? {
        receiving.take(&bytes).await?;
    }
    let backup = receiving.finish().await?;
    let report = backup.restore(only, dry_run, actor).await?;
    Ok(json(&told(&report)))
}

async fn received(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        match timeout(STALL, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(_))) => {
                let broken = Problem::new(StatusCode::BAD_REQUEST, "bad_body");
                return Err(broken.detail("the body broke off; nothing was changed"));
            }
            Err(_) => {
                let late = Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout");
                return Err(late.detail("nothing came for 30 s; nothing was changed"));
            }
        }
    }
}

fn told(report: &RestoreReport) -> Value {
    let Sums { created, changed, unchanged, failed, .. } = report.tenants;
    json!({
        "dry_run": report.dry_run,
        "tenants": { "created": created, "changed": changed, "unchanged": unchanged, "failed": failed },
        "domains": parts(report.domains),
        "keys": parts(report.keys),
        "usage": { "created": report.usage.created, "changed": report.usage.changed },
        "audit": { "created": report.audit },
        "changes": report.changes,
        "changes_truncated": report.changes_truncated,
        "errors": report.errors.iter().map(error).collect::<Value>(),
        "errors_truncated": failed > report.errors.len() as u64,
    })
}

fn parts(sums: Sums) -> Value {
    json!({ "created": sums.created, "changed": sums.changed, "deleted": sums.deleted })
}

/// A tenant that was not brought back, and why.
fn error((id, refusal): &(TenantId, Refusal)) -> Value {
    let mut error = reason(refusal);
    if let Value::Object(members) = &mut error {
        members.insert("tenant".to_owned(), id.as_str().into());
    }
    error
}
