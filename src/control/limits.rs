//! How a tenant stands with each of its limits: `/api/v1/tenants/{id}/limits`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admission::RateReport;
use crate::admission::fair_share::{SeatTerms, Share};
use crate::admission::quota::QuotaDescription;
use crate::proxy::Snapshot;
use crate::tenant::{LookedUp, SourceFault, Tenant};

/// How long the store may take to say who it is.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

/// The document that tells it, as of now. `None` where there is no such tenant. One of the store is looked up, as a request would.
///
/// # Errors
/// The store has no answer.
pub async fn limits(snapshot: Arc<Snapshot>, id: String) -> Result<Option<Value>, SourceFault> {
    let mut looked_up = LookedUp::default();
    if let Err(key) = snapshot.directory.by_id(&id, &looked_up) {
        snapshot.directory.look_up(key, &mut looked_up, LOOK_UP_MAX).await?;
    }
    Ok(snapshot.directory.by_id(&id, &looked_up).ok().flatten().map(|tenant| told(&tenant)))
}

pub(super) fn told(tenant: &Tenant) -> Value {
    let SeatTerms { weight, max, queue, reserved } = tenant.terms.seats;
    let rate_limits = tenant.rates.report().iter().map(rate).collect::<Vec<_>>();
    json!({
        "tenant": tenant.id().as_str(),
        "in_flight": tenant.account.meter.in_flight(),
        "concurrency": {
            "weight": weight,
            "max": bound(u64::from(max), u64::from(u32::MAX)),
            "queue": queue,
            "max_wait_seconds": tenant.terms.seat_wait_max.as_secs_f64(),
            "reserved": reserved,
            // Pools that it has used since the gateway started.
            "pools": tenant.account.shares().iter().map(|share| pool(share, tenant.terms.seats)).collect::<Vec<_>>(),
        },
        "rate_limits": rate_limits,
        "quotas": tenant.quotas.describe().iter().map(quota).collect::<Vec<_>>(),
        "request_body": { "max": bound(tenant.terms.request_body_max, u64::MAX) },
    })
}

fn rate(limit: &RateReport) -> Value {
    let names = |routes: &Vec<Arc<str>>| routes.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    json!({
        "name": &*limit.name,
        "units": limit.units,
        "period_seconds": limit.period.as_secs_f64(),
        "burst": limit.burst,
        "by": limit.by,
        "routes": limit.routes.as_ref().map(names),
        "shadow": limit.shadow,
        "remaining": limit.remaining,
        "reset_seconds": limit.reset_s,
        "keys": limit.keys.map(|keys| json!({ "in_use": keys.in_use, "max": keys.max })),
    })
}

fn pool(share: &Arc<Share>, terms: SeatTerms) -> Value {
    let (standing, seats) = (share.standing(), share.seats());
    let seconds = |ns: u64| ns as f64 / 1e9;
    json!({
        "pool": seats.name(),
        "seats": bound(u64::from(seats.limit()), u64::from(u32::MAX)),
        "seats_in_use": seats.in_use(),
        "held": standing.held,
        "waiting": standing.waiting,
        "at_max": share.is_at_max(terms),
        "streams": standing.streams,
        // Seat-time for its weight that others come first for, and what one of its requests takes as a rule.
        "ahead_seconds": seconds(standing.lead_ns),
        "hold_seconds": seconds(standing.hold_ns),
    })
}

fn quota(quota: &QuotaDescription) -> Value {
    let time = |unix_ms: i64| jiff::Timestamp::from_millisecond(unix_ms).map(|at| at.to_string()).ok();
    json!({
        "name": &*quota.name,
        "meter": quota.meter,
        "limit": quota.limit,
        // What this process alone has seen is no answer.
        "used": quota.known.then_some(quota.used),
        // Kept for requests to come, in a block that a crash would forfeit.
        "reserved": quota.reserved,
        "window": quota.window,
        "period_start": time(quota.period_start_ms),
        "period_end": time(quota.period_end_ms),
        "on_exceed": quota.on_exceed,
        "soft": quota.soft,
        "soft_passed": quota.known.then_some(quota.soft_passed),
        "on_outage": quota.on_outage,
        // Whether the store has said what is used; before a tenant's first request nobody has asked it.
        "known": quota.known,
        "outage": quota.outage,
    })
}

/// A number, or null where it stands for none.
pub(super) fn bound(number: u64, none: u64) -> Option<u64> {
    (number != none).then_some(number)
}
