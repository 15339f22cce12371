//! `/api/v1/restore`: a backup, brought back.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde_json::{Value, json};

use super::AdminState;
use super::body::{Asker, next_piece};
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use super::refused::reason;
use super::routes::json;
use crate::control::registry::{Refusal, RestoreReport, Sums};
use crate::types::TenantId;

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
    while let Some(bytes) = next_piece(&mut body, "; nothing was changed").await? {
        receiving.take(&bytes).await?;
    }
    let backup = receiving.finish().await?;
    let report = backup.restore(only, dry_run, actor).await?;
    Ok(json(&told(&report)))
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
