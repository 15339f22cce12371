//! One request's retries: whether there is another try, by what went wrong, by what was sent, and by what the pool and the
//! tenant can bear. And the breakers that the request and its retries go through.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::breaker::{Fuse, Permits, Resource};
use crate::retry::{Budget, Failed, Live, Retry, Sent};
use crate::tenant::Tenant;
use crate::upstream::{Outbox, Pool, RetryTerms};

/// See the module. Where a pool retries nothing it does nothing.
pub(super) struct Retrying<'p> {
    own: Option<Own<'p>>,
    fuse: Option<Fuse>,
    count: u32,
}

struct Own<'p> {
    pool: &'p Pool,
    terms: &'p RetryTerms,
    tenant: Arc<Budget>,
    /// The request counts as live in both budgets.
    _live: [Live; 2],
    /// And its retry as under way.
    under_way: Option<([Retry; 2], Option<Permits>)>,
}

impl<'p> Retrying<'p> {
    /// A request begins, and goes through these circuit breakers.
    pub(super) fn new(pool: &'p Pool, tenant: Option<&Arc<Tenant>>, fuse: Option<Fuse>) -> Self {
        let own = pool.retries().zip(tenant).map(|(terms, tenant)| {
            let tenant = tenant.account.budget(pool.seats(), terms.tenant_budget);
            let live = [terms.budget.begin(), tenant.begin()];
            Own { pool, terms, tenant, _live: live, under_way: None }
        });
        Self { own, fuse, count: 0 }
    }

    /// How the pool retries, if it does.
    pub(super) fn terms(&self) -> Option<&'p RetryTerms> {
        self.own.as_ref().map(|own| own.terms)
    }

    /// The breakers that it goes through, if there are any.
    pub(super) fn fuse(&self) -> Option<&Fuse> {
        self.fuse.as_ref()
    }

    /// Whether there is another try, and waits until its time has come. The request is back at its first byte then.
    pub(super) async fn again(
        &mut self,
        failed: Failed,
        outgoing: Option<&mut Outbox>,
        expires: Option<Instant>,
    ) -> bool {
        let Some(own) = &mut self.own else { return false };
        let Some(outbox) = outgoing.filter(|_| self.count < own.terms.max) else { return false };
        let sent = Sent {
            any: !outbox.is_untouched(),
            idempotent: outbox.method().is_idempotent(),
            at_hand: outbox.rewind(),
        };
        // A try that takes too long is to its client what a 504 is.
        let is_504 = failed == Failed::Timeout && own.terms.on.matches(Failed::Status(504));
        let is_wanted = is_504 || own.terms.on.matches(failed);
        if !is_wanted || !sent.may_repeat(failed) {
            return false;
        }
        own.under_way = None;
        let Some(within) = own.terms.budget.retry().zip(own.tenant.retry()) else {
            own.pool.meter().retry_withheld();
            return false;
        };
        let Ok(permits) = self.fuse.as_ref().map(|fuse| fuse.take(Resource::Retries)).transpose() else {
            return false;
        };
        own.under_way = Some((within.into(), permits));
        self.count += 1;
        let until = Instant::now() + own.terms.backoff.delay(self.count, fastrand::u64(..));
        if expires.is_some_and(|expires| expires <= until) {
            return false;
        }
        Box::pin(sleep_until(until)).await;
        true
    }
}
