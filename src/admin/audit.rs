//! `/api/v1/audit`: who changed what, and when.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use jiff::Timestamp;
use serde_json::json;

use super::AdminState;
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use super::routes::json;
use crate::control::registry::AuditFilter;
use crate::types::TenantId;

/// The route.
pub(super) fn paths() -> Paths {
    Paths::default().get("/audit", entries)
}

async fn entries(State(state): State<AdminState>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["tenant", "actor", "action", "since", "limit", "cursor"], &[])?;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let time = |text: &str| text.parse::<Timestamp>().ok().map(|at| at.as_millisecond());
    let filter = AuditFilter {
        tenant: query.parsed("tenant", "a tenant's id", |text| TenantId::parse(text).ok())?,
        actor: text("actor"),
        action: text("action"),
        since_ms: query.parsed("since", "a time like 2025-01-31T00:00:00Z", time)?,
        before: query.parsed("cursor", "what `next_cursor` said", |text| text.parse().ok())?,
        limit: query.limit()?,
    };
    let page = state.control.registry().audit(&filter).await?;
    let next = page.next.map(|seq| seq.to_string());
    Ok(json(&json!({
        "entries": page.entries,
        "next_cursor": next,
        "oldest_at": page.oldest_at,
        "removed_up_to": page.removed_up_to,
    })))
}
