//! `/api/v1/explain`: what would become of a request, and why.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::AdminState;
use super::body::json_body;
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use super::routes::json;
use crate::control::{InvalidQuestion, Question};

/// The routes.
pub(super) fn paths() -> Paths {
    Paths::default().get("/explain", of_query).post("/explain", of_document)
}

async fn of_query(State(state): State<AdminState>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["url", "method", "from"], &["header"])?;
    let url =
        query.text("url").ok_or_else(|| refused(&"say which request: `url=https://www.example.com/`"))?;
    let fields = query.all("header").map(|field| {
        let parts = field.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        parts
            .ok_or_else(|| refused(&format!("`{field}` is no header field: write it like `header=x-beta:1`")))
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    answer(&state, Question::new(query.text("method").unwrap_or("GET"), url, &fields, query.text("from")))
        .await
}

async fn of_document(
    State(state): State<AdminState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    answer(&state, Question::from_json(&json_body(&headers, body)?)).await
}

async fn answer(state: &AdminState, asked: Result<Question, InvalidQuestion>) -> Result<Response, Problem> {
    let question = asked.map_err(|why| refused(&why))?;
    Ok(json(&state.control.explain(question).await))
}

fn refused(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_request").detail(&why.to_string())
}
