//! `/api/v1/plans`: plans, as they are configured.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use super::AdminState;
use super::paths::Paths;
use super::problem::Problem;
use super::routes::json;
use crate::control::registry::Refusal;

/// The routes below `/plans`.
pub(super) fn paths() -> Paths {
    Paths::default().get("/plans", list).get("/plans/{name}", show)
}

async fn list(State(state): State<AdminState>) -> Result<Response, Problem> {
    Ok(json(&state.control.registry().plans().await?))
}

async fn show(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::from(Refusal::UnknownPlan("?".to_owned())))?;
    Ok(json(&state.control.registry().plan(&name).await?))
}
