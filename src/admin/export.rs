//! `/api/v1/export`: the store's tenants as a stream, a line each.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body::Frame;

use super::AdminState;
use super::paths::Paths;
use super::problem::Problem;
use super::query::Query;
use super::tenants::{FILTERS, listing};
use crate::control::registry::{Listing, Page, Refusal, Registry};

/// A tenant a line.
pub(super) const LINES: &str = "application/x-ndjson";

/// How many tenants are read at a time.
const PAGE: usize = 500;

/// The route. It takes as long as the client reads.
pub(super) fn paths() -> Paths {
    Paths::default().get("/export", export)
}

async fn export(State(state): State<AdminState>, uri: Uri) -> Result<Response, Problem> {
    let filters: Vec<&str> = FILTERS.into_iter().filter(|name| *name != "source").collect();
    let listing = Listing { limit: PAGE, ..listing(&Query::of(&uri, &filters, &["label"])?)? };
    let registry = state.control.registry();
    // The first page before the status: whether there is a store is told by it.
    let first = registry.exported(&listing).await?;
    let lines = Lines { reading: Some(Box::pin(async move { Ok(first) })), registry, listing };
    let headers = [(CONTENT_TYPE, LINES), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(lines)).into_response())
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, Refusal>> + Send>>;

/// A body that reads a page when the one before it has gone out.
struct Lines {
    registry: Arc<Registry>,
    listing: Listing,
    /// The page that comes next, if one does.
    reading: Option<Reading>,
}

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
            let page = match ready!(reading.as_mut().poll(context)) {
                Ok(page) => page,
                Err(refusal) => {
                    // The body breaks off: what came so far must not look like all.
                    self.reading = None;
                    tracing::warn!(%refusal, "an export broke off");
                    return Poll::Ready(Some(Err(io::Error::other(refusal))));
                }
            };
            self.listing.after = page.next.clone();
            self.reading = page.next.is_some().then(|| {
                let (registry, listing) = (Arc::clone(&self.registry), self.listing.clone());
                Box::pin(async move { registry.exported(&listing).await }) as Reading
            });
            if !page.tenants.is_empty() {
                let text: String = page.tenants.iter().map(|tenant| format!("{tenant}\n")).collect();
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
            }
        }
    }
}
