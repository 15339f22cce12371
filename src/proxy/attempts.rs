//! A request's attempts at endpoints: where it is now, what has become of it there, and what all of it took.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use crate::http::body::BodyFlow;
use crate::telemetry::EndpointFailure;
use crate::tenant::Tenant;
use crate::upstream::{Endpoint, Pool, Running};

/// Of one request: one after another, never two at a time.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// The pool that it goes to.
    pool: Option<Arc<Pool>>,
    /// The last endpoint that it went to, and whether that is at work on it.
    running: Option<Running>,
    /// When it went there.
    since: Option<Instant>,
    /// When it first went anywhere.
    first: Option<Instant>,
    /// When an endpoint's answer was there: what is asked a moment later need not read the clock.
    heard: Option<Instant>,
    /// From then to the response's head.
    took: Option<Duration>,
    /// What the client sends, if it sends something.
    upload: Option<Rc<BodyFlow>>,
    /// Attempts after the first; and whether another is under way, which is not counted yet.
    retries: u32,
    goes_again: bool,
}

impl Attempts {
    /// The request is to go to an endpoint of this pool.
    pub(super) fn route_to(&mut self, pool: &Arc<Pool>) {
        self.pool = Some(Arc::clone(pool));
    }

    /// The client has more to send than the head.
    pub(super) fn upload(&mut self, flow: Rc<BodyFlow>) {
        self.upload = Some(flow);
    }

    /// The pool that it goes to.
    pub(super) fn pool(&self) -> Option<&Pool> {
        self.pool.as_deref()
    }

    /// The last endpoint that it went to.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.running.as_ref().map(|running| &**running.endpoint())
    }

    /// When it first went to one.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// From then to the response's head, or to there being none.
    pub(super) fn took(&self) -> Option<Duration> {
        self.took
    }

    /// How many there were after the first.
    pub(super) fn retries(&self) -> u32 {
        self.retries + u32::from(self.goes_again)
    }

    /// A tenant's request goes to an endpoint: since when.
    pub(super) fn goes_to(
        &mut self,
        endpoint: &Arc<Endpoint>,
        tenant: Option<&Arc<Tenant>>,
        now: Instant,
    ) -> Instant {
        self.first.get_or_insert(now);
        self.since = Some(now);
        self.heard = None;
        // Any number that tells tenants apart will do: where this one's account is.
        let tenant = tenant.map_or(0, |tenant| Arc::as_ptr(&tenant.account).addr() as u64);
        self.count_retry();
        self.goes_again = self.running.replace(endpoint.begin(now, tenant)).is_some();
        now
    }

    /// It did not get there: there was no connection to be had. As if it had not gone this time.
    pub(super) fn turned_back(&mut self) {
        self.endpoint_is_done();
        if !std::mem::take(&mut self.goes_again) {
            self.running = None;
            self.first = None;
        }
    }

    /// The endpoint has said its last byte.
    pub(super) fn endpoint_is_done(&mut self) {
        let news = self.running.as_mut().is_some_and(Running::end);
        self.tell_of(news);
    }

    /// The endpoint has failed it, in that way.
    pub(super) fn failed(&mut self, how: EndpointFailure) {
        let news = self.running.as_mut().is_some_and(|running| running.failed(how));
        self.tell_of(news);
    }

    /// The endpoint has answered with that status.
    pub(super) fn answered(&mut self, status: StatusCode) {
        let Some(since) = self.since else { return };
        // By the clock: a worker that has much to do would tell its balancing, and its limit of seats, that endpoints are fast.
        let now = Instant::now();
        self.heard = Some(now);
        let (after, worked) = (now.saturating_duration_since(since), self.worked(since, now));
        let Some(running) = &mut self.running else { return };
        if status.is_server_error() {
            let news = running.refused(after, worked);
            self.tell_of(news);
        } else {
            running.answered(after, worked);
        }
    }

    /// What the endpoint has taken for its answer: the time in which the client sent is not the endpoint's. `None`: that
    /// still sends.
    fn worked(&self, since: Instant, now: Instant) -> Option<Duration> {
        match &self.upload {
            Some(upload) => upload.ended_at().map(|ended| now.saturating_duration_since(ended.max(since))),
            None => Some(now.saturating_duration_since(since)),
        }
    }

    /// The response's head is there, or none will come: the endpoint `failed`.
    pub(super) fn came_back(&mut self, failed: bool) {
        self.count_retry();
        let now = self.heard.take().unwrap_or_else(Instant::now);
        self.took = self.first.map(|since| now.saturating_duration_since(since));
        if let (Some(pool), Some(took)) = (&self.pool, self.took) {
            pool.meter().upstream_observe(took);
            let worked = self.first.and_then(|since| self.worked(since, now));
            if let Some(worked) = worked.or(failed.then_some(took)) {
                pool.seats().observe(worked, failed);
            }
        }
    }

    /// The attempt under way is one after the first, and not turned back.
    fn count_retry(&mut self) {
        if std::mem::take(&mut self.goes_again) {
            self.retries += 1;
            self.pool.iter().for_each(|pool| pool.meter().retried());
        }
    }

    /// Who looks after the pool hears of news.
    fn tell_of(&self, news: bool) {
        if news {
            self.pool.iter().for_each(|pool| pool.tell());
        }
    }
}

impl Drop for Attempts {
    /// A client may leave while one is under way.
    fn drop(&mut self) {
        self.endpoint_is_done();
        self.count_retry();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Address;

    #[tokio::test(start_paused = true)]
    async fn the_time_of_an_upload_is_not_the_endpoints() {
        let (mut attempts, since) = (Attempts::default(), Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(attempts.worked(since, Instant::now()), Some(Duration::from_secs(2)));
        let flow = Rc::new(BodyFlow::default());
        attempts.upload(Rc::clone(&flow));
        assert_eq!(attempts.worked(since, Instant::now()), None, "the client still sends");
        flow.end();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(attempts.worked(since, Instant::now()), Some(Duration::from_secs(1)));
        // It goes to another endpoint: all of it is there.
        let again = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(attempts.worked(again, Instant::now()), Some(Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_left_is_not_the_end_of_the_next_try() {
        let endpoint = |port| {
            let address = Address::Ip(([127, 0, 0, 1], port).into());
            Arc::new(Endpoint::new("p", address, |_| Arc::default()))
        };
        let mut attempts = Attempts::default();
        attempts.goes_to(&endpoint(1), None, Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        attempts.answered(StatusCode::SERVICE_UNAVAILABLE);
        attempts.goes_to(&endpoint(2), None, Instant::now());
        tokio::time::advance(Duration::from_secs(3)).await;
        // It has not answered.
        attempts.came_back(true);
        assert_eq!(attempts.took(), Some(Duration::from_secs(4)));
    }
}
