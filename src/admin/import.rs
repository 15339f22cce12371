//! `/api/v1/import`: tenants as a stream, a line each.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde_json::{Value, json};
use tokio::spawn;
use tokio::time::timeout;

use super::AdminState;
use super::body::{Asker, STALL, next_piece};
use super::lines::{LineError, Splitter};
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use super::refused::reason;
use super::routes::json;
use super::stay::Stay;
use crate::control::registry::{ImportError, ImportMode, ImportReport, Line, Refusal, Why};
use crate::store::StoreFault;

/// How many lines are written at a time, and how many bytes of them are kept for that.
const BATCH: (usize, usize) = (1_000, 8 << 20);
/// How many errors are told.
const ERRORS_MAX: usize = 1_000;

/// The route. It takes as long as the client sends.
pub(super) fn paths() -> Paths {
    Paths::default().post("/import", import)
}

async fn import(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    stay: Stay,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["dry_run", "mode"], &[])?;
    let modes = [("upsert", ImportMode::Upsert), ("create", ImportMode::Create)];
    let mode = query.word("mode", &modes)?.unwrap_or_default();
    let dry_run = query.flag("dry_run", false)?;
    let registry = state.control.registry();
    let _turn = registry.begin_import()?;
    // However many lines there are: each step has its own deadline.
    let _staying = stay.begin();
    let mut sums = Sums { dry_run, ..Sums::default() };
    let mut receiving = Receiving { body, splitter: Splitter::default(), ended: false };
    let mut batch = receiving.batch(&mut sums).await?;
    while !batch.is_empty() {
        let last = batch.last().map_or(0, |line| line.number);
        // What the store takes too late it has taken nevertheless, and then the cache has to hear of it.
        let (own, who) = (Arc::clone(&registry), actor.clone());
        let writing = timeout(STALL, spawn(async move { own.import(batch, mode, dry_run, who).await }));
        // While one batch is written the next one is received.
        let mut refused = Sums::default();
        let (written, next) = tokio::join!(writing, receiving.batch(&mut refused));
        match written {
            Ok(Ok(Ok(report))) => sums.add(report, last),
            Ok(Ok(Err(refusal))) => return Err(sums.broken_off(refusal.into())),
            Ok(Err(_)) => return Err(sums.broken_off(Refusal::Store(StoreFault::Failed).into())),
            Err(_) => {
                let late = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_busy");
                let detail = "the store did not take the lines in time, and may take them yet";
                return Err(sums.broken_off(late.detail(detail)));
            }
        }
        sums.refused(refused);
        batch = next.map_err(|problem| sums.broken_off(problem))?;
    }
    Ok(sums.answer())
}

/// A body, as lines.
struct Receiving {
    body: Body,
    splitter: Splitter,
    ended: bool,
}

impl Receiving {
    /// The next lines; none at the end. Lines that are none are entered as errors.
    async fn batch(&mut self, sums: &mut Sums) -> Result<Vec<Line>, Problem> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < BATCH.0 && bytes < BATCH.1 {
            match self.splitter.next(self.ended) {
                Some(Ok(line)) => {
                    sums.lines += 1;
                    bytes += line.text.len();
                    lines.push(line);
                }
                Some(Err(LineError { number })) => {
                    sums.lines += 1;
                    let detail = "the line has more than 256 KiB";
                    sums.error(
                        json!({ "line": number, "id": null, "code": "line_too_long", "detail": detail }),
                    );
                }
                None if self.ended => break,
                None => match next_piece(&mut self.body, "").await? {
                    Some(data) => self.splitter.push(&data),
                    None => self.ended = true,
                },
            }
        }
        Ok(lines)
    }
}

/// What has become of the lines so far.
#[derive(Default)]
struct Sums {
    dry_run: bool,
    lines: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    failed: u64,
    errors: Vec<Value>,
    /// Up to which line all is written, or has failed.
    settled: u64,
}

impl Sums {
    fn add(&mut self, report: ImportReport, last: u64) {
        self.created += report.created;
        self.updated += report.updated;
        self.unchanged += report.unchanged;
        report.errors.iter().for_each(|error| self.error(told(error)));
        self.settled = last;
    }

    fn error(&mut self, error: Value) {
        self.failed += 1;
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        }
    }

    /// Takes over what was found while lines were received.
    fn refused(&mut self, other: Self) {
        self.lines += other.lines;
        self.failed += other.failed;
        let room = ERRORS_MAX.saturating_sub(self.errors.len());
        self.errors.extend(other.errors.into_iter().take(room));
    }

    /// A problem that kept the rest from being written, with what was.
    fn broken_off(&self, problem: Problem) -> Problem {
        let members = self.members();
        let problem = problem.member("settled_lines", self.settled.into());
        members.into_iter().fold(problem, |problem, (name, value)| problem.member(name, value))
    }

    fn answer(self) -> Response {
        let all_failed = self.failed > 0 && self.failed == self.lines;
        let members = self.members();
        if all_failed {
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_import");
            let problem = problem.detail("no line could be taken: `errors` says why");
            return members
                .into_iter()
                .fold(problem, |problem, (name, value)| problem.member(name, value))
                .into_response();
        }
        json(&members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn members(&self) -> [(&'static str, Value); 8] {
        [
            ("lines", self.lines.into()),
            ("created", self.created.into()),
            ("updated", self.updated.into()),
            ("unchanged", self.unchanged.into()),
            ("failed", self.failed.into()),
            ("dry_run", self.dry_run.into()),
            ("errors", self.errors.clone().into()),
            ("errors_truncated", (self.failed > self.errors.len() as u64).into()),
        ]
    }
}

/// Why a line was left out, as it is told.
fn told(failed: &ImportError) -> Value {
    let mut told = match &failed.why {
        Why::Syntax(message) => json!({ "code": "bad_json", "detail": message }),
        Why::Refused(refusal) => reason(refusal),
    };
    if let Value::Object(members) = &mut told {
        members.insert("line".to_owned(), failed.line.into());
        members.insert("id".to_owned(), failed.id.as_deref().into());
    }
    told
}
