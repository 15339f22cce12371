//! Copies of requests that go to a further pool. Nothing of the original waits for them or hears of them: each is a task of its worker,
//! whose answer is thrown away.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::attempts::Attempts;
use crate::admission::fair_share::{Asked, Seat, SeatTerms};
use crate::balance::Key;
use crate::breaker::{Fuse, Permits, Resource};
use crate::http::body::RequestBody;
use crate::http::copy::CopyWatch;
use crate::telemetry::{EndpointFailure, MirrorOutcome, Mirroring};
use crate::tenant::Tenant;
use crate::types::TenantId;
use crate::upstream::{Answer, Outbox, Pool, SendFailure, Terms, UpstreamBody, UpstreamClient};

/// Copies that may be under way to one pool, beside what its seats allow. Each may keep some hundred KiB.
const IN_FLIGHT_MAX: u32 = 100;
/// And of these, copies of one tenant's requests on one worker: nobody's are all there are.
const OF_TENANT_MAX: usize = 10;
/// How long a copy waits for more of the client's body: what it holds of its pool is not the client's to keep.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most time for a copy, where neither route nor pool has a timeout for requests.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Octets of an answer that are read, so that its connection can be used again.
const ANSWER_MAX: usize = 1024 * 1024;
/// What tells a copy from a request.
const LINE: &[u8] = b"x-tollgate-mirror: 1\r\n";
/// A copy takes a free seat, or none.
const NO_QUEUE: SeatTerms = SeatTerms { weight: 1, max: u32::MAX, queue: 0, reserved: 0 };

/// A copy that is to be sent when the original is.
#[derive(Debug)]
pub(super) struct Mirrored {
    pool: Arc<Pool>,
    key: Option<Key>,
    outbox: Outbox,
    /// How the copy of its body stands, where it has one.
    copy: Option<CopyWatch>,
    /// The most time for it.
    time: Duration,
}

/// A worker's copies under way.
#[derive(Debug)]
pub(super) struct Mirrors {
    upstream: Rc<UpstreamClient>,
    tasks: RefCell<JoinSet<()>>,
    of_tenants: Rc<RefCell<HashMap<TenantId, usize>>>,
}

/// A copy counted among its tenant's.
struct Counted {
    of_tenants: Rc<RefCell<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Counted {
    fn among(of_tenants: &Rc<RefCell<HashMap<TenantId, usize>>>, tenant: &TenantId) -> Option<Self> {
        let mut all = of_tenants.borrow_mut();
        let count = all.entry(tenant.clone()).or_default();
        if *count >= OF_TENANT_MAX {
            return None;
        }
        *count += 1;
        Some(Self { of_tenants: Rc::clone(of_tenants), tenant: tenant.clone() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.of_tenants.borrow_mut();
        if let Some(count) = all.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.tenant);
            }
        }
    }
}

/// What a copy holds of its pool.
struct Place {
    mirroring: Mirroring,
    _seat: Option<Seat>,
    fuse: Option<Fuse>,
    _permits: Option<Permits>,
}

impl Mirrored {
    /// A copy of what is about to be sent: its head, and what is to be copied of its body.
    pub(super) fn new(
        pool: &Arc<Pool>,
        key: Option<Key>,
        original: &Outbox,
        (body, copy): (RequestBody, Option<CopyWatch>),
        timeout: Option<Duration>,
    ) -> Self {
        let time = timeout.into_iter().chain(pool.timeouts().request).min().unwrap_or(TIME_MAX);
        Self { pool: Arc::clone(pool), key, outbox: original.mirrored(LINE, body), copy, time }
    }
}

impl Mirrors {
    /// Sent over these connections.
    pub(super) fn new(upstream: Rc<UpstreamClient>) -> Self {
        Self { upstream, tasks: RefCell::default(), of_tenants: Rc::default() }
    }

    /// Sends a copy of a tenant's request, if there is room for it.
    pub(super) fn start(&self, mut mirrored: Mirrored, tenant: &Arc<Tenant>) {
        let counted = Counted::among(&self.of_tenants, tenant.id());
        let Some((counted, place)) =
            counted.and_then(|counted| Some((counted, Place::take(&mirrored.pool)?)))
        else {
            return Mirroring::refused(mirrored.pool.meter());
        };
        let (upstream, tenant) = (Rc::clone(&self.upstream), Arc::clone(tenant));
        self.look();
        self.tasks.borrow_mut().spawn_local(async move {
            let Some(expires) = Instant::now().checked_add(mirrored.time) else { return };
            let copy = mirrored.copy.take();
            let sending = send(&upstream, mirrored, copy.as_ref(), &place, &tenant, expires);
            let outcome = tokio::select! {
                sent = timeout_at(expires, sending) => sent.unwrap_or(MirrorOutcome::TimedOut),
                () = broken(copy.as_ref()) => MirrorOutcome::Abandoned,
                () = starved(copy.as_ref()) => MirrorOutcome::Abandoned,
            };
            place.mirroring.end(outcome);
            drop(counted);
        });
    }

    /// Lets go of those that have ended.
    pub(super) fn look(&self) {
        let mut tasks = self.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
    }

    /// The worker ends: nobody waits for them.
    pub(super) fn end(&self) {
        self.tasks.borrow_mut().abort_all();
    }
}

impl Place {
    fn take(pool: &Arc<Pool>) -> Option<Self> {
        let seat = match pool.seats().limit() {
            u32::MAX => None,
            // Half of them stay for requests that somebody waits for.
            limit if pool.seats().in_use() >= limit.div_ceil(2) => return None,
            _ => match pool.mirrors_share().ask(NO_QUEUE) {
                Ok(Asked::Seated(seat)) => Some(seat),
                Ok(Asked::Waits(_)) | Err(_) => return None,
            },
        };
        let (mut fuse, mut permits) = (None, None);
        if pool.circuit_terms().is_some() {
            let breaker = Fuse::new(pool.circuit(), None);
            permits = Some(breaker.take(Resource::Requests).ok()?);
            fuse = Some(breaker);
        }
        // At last: what is turned away before has not begun.
        let mirroring = Mirroring::begin(pool.meter(), IN_FLIGHT_MAX)?;
        Some(Self { mirroring, _seat: seat, fuse, _permits: permits })
    }
}

/// Ready when nothing of the client's body has come for too long.
async fn starved(copy: Option<&CopyWatch>) {
    let Some(copy) = copy else { return pending().await };
    let mut before = None;
    loop {
        sleep(PATIENCE).await;
        let now = copy.waits_after();
        if now.is_some() && now == before {
            return;
        }
        before = now;
    }
}

/// Ready when a copy of a body is given up.
async fn broken(copy: Option<&CopyWatch>) {
    match copy {
        Some(copy) => copy.broken().await,
        None => pending().await,
    }
}

/// Sends a copy to one endpoint, and reads the answer. It is sent again only where an idle connection had ended before it.
async fn send(
    upstream: &UpstreamClient,
    mirrored: Mirrored,
    copy: Option<&CopyWatch>,
    place: &Place,
    tenant: &Arc<Tenant>,
    expires: Instant,
) -> MirrorOutcome {
    let Mirrored { pool, key, outbox, .. } = mirrored;
    let mut attempts = Attempts::default();
    attempts.route_to(&pool);
    let Some(endpoint) = pool.choose(key).next(Instant::now()) else { return MirrorOutcome::Failed };
    let mut outgoing = Some(outbox);
    let mut terms = Terms {
        expires: Some(expires),
        flow: copy.map(CopyWatch::flow),
        since: attempts.goes_to(&endpoint, Some(tenant), Instant::now()),
        owner: pool.isolates().then(|| tenant.id()),
        fresh: false,
        upgrade: None,
        retry: None,
        interim: None,
        fuse: place.fuse.as_ref(),
    };
    let mut sent = upstream.send(&pool, &endpoint, &mut outgoing, terms).await;
    if let Err(SendFailure::Broken { reused: true }) = sent
        && outgoing.as_mut().is_some_and(|outbox| {
            (outbox.is_untouched() || outbox.method().is_idempotent()) && outbox.rewind()
        })
    {
        terms =
            Terms { since: attempts.goes_to(&endpoint, Some(tenant), Instant::now()), fresh: true, ..terms };
        sent = upstream.send(&pool, &endpoint, &mut outgoing, terms).await;
    }
    let body = match sent {
        Ok(Answer::Response(response)) => {
            attempts.answered(response.status());
            attempts.came_back(matches!(response.status().as_u16(), 503 | 504));
            response.into_body()
        }
        Ok(Answer::Switched(..)) => return failed(&mut attempts, EndpointFailure::Protocol),
        Err(failure) => return unsent(failure, &mut attempts),
    };
    match discard(body).await {
        true => MirrorOutcome::Sent,
        false => failed(&mut attempts, EndpointFailure::Reset),
    }
}

fn failed(attempts: &mut Attempts, how: EndpointFailure) -> MirrorOutcome {
    attempts.failed(how);
    MirrorOutcome::Failed
}

fn unsent(failure: SendFailure, attempts: &mut Attempts) -> MirrorOutcome {
    match failure {
        SendFailure::RequestBody => MirrorOutcome::Abandoned,
        SendFailure::Tripped(_) => {
            attempts.turned_back();
            MirrorOutcome::NoCapacity
        }
        SendFailure::Connect(why) if !why.is_endpoints() => MirrorOutcome::Failed,
        SendFailure::Connect(_) => failed(attempts, EndpointFailure::Connect),
        SendFailure::Timeout => {
            failed(attempts, EndpointFailure::Timeout);
            attempts.came_back(true);
            MirrorOutcome::TimedOut
        }
        SendFailure::Broken { .. } | SendFailure::Refused { .. } | SendFailure::Alert => {
            failed(attempts, EndpointFailure::Reset)
        }
        SendFailure::Protocol | SendFailure::NoSwitch => failed(attempts, EndpointFailure::Protocol),
    }
}

/// Reads an answer to its end, or for as long as it is worth. `false` where it broke off.
async fn discard(mut body: UpstreamBody) -> bool {
    let mut left = ANSWER_MAX;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame) = frame else { return false };
        let octets = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(octets) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    true
}
