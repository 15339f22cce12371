//! The one table of refusals: from a reason to status, code, words, and who is to blame.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::grpc::GrpcStatus;
use crate::admission::Violation;
use crate::admission::quota::QuotaRefusal;
use crate::breaker::Tripped;
use crate::http::checks::BadRequest;
use crate::http::wire::Malformed;
use crate::upstream::ConnectFailure;

/// Why the gateway answers a request itself.
#[derive(Debug)]
pub enum Rejection {
    /// Its bytes are not HTTP, or could be read in two ways.
    Malformed(Malformed),
    /// Its fields contradict each other.
    BadRequest(BadRequest),
    /// Its path climbs above the root or is badly encoded.
    BadPath,
    /// Its protocol upgrade is one that doesn't pass.
    UnsupportedUpgrade,
    /// No tenant has this host.
    UnknownTenant,
    /// It names two tenants.
    TenantConflict,
    /// Its connection was opened for a host of somebody else's, or shows a certificate that is not for its host.
    Misdirected,
    /// Whose it is would have to be looked up in the store, which has no answer.
    TenantUnavailable,
    /// The tenant is suspended.
    Suspended,
    /// The tenant owes.
    PastDue,
    /// The tenant is being worked on.
    Maintenance,
    /// The client's address is not on the tenant's list, or its route's.
    AccessDenied,
    /// No route takes it.
    NoRoute,
    /// Its route needs a feature that the tenant doesn't have.
    FeatureNotInPlan(Arc<str>),
    /// The tenant has used up one of its rates, or several.
    RateLimited(Violation),
    /// The tenant has used up one of its quotas, or several.
    QuotaExceeded(Violation),
    /// Whether it has can't be told, and its plan is to refuse then.
    QuotaUnavailable,
    /// The tenant has as many requests in flight, and waiting, as it may.
    ConcurrencyExceeded,
    /// The tenant's requests come by too many connections.
    TenantConnections,
    /// The pool has no seat for it, and it has waited as long as it may.
    NoCapacity,
    /// As much of the pool is in use as its circuit breaker allows, by everyone or by the tenant.
    CircuitOpen(Tripped),
    /// Its body is larger than the tenant may send, or its route takes.
    BodyTooLarge,
    /// Its body broke off or stalled.
    BodyIncomplete,
    /// There is nowhere to send it.
    NoEndpoint,
    /// No endpoint could be connected to.
    UpstreamConnect(ConnectFailure),
    /// What the endpoint sent is no response; the words of RFC 9209 §2.3 for it.
    UpstreamProtocol(&'static str),
    /// The endpoint took too long.
    UpstreamTimeout,
    /// The application's own error, which is not shown; when it may be worth to try again, as it said.
    Intercepted(StatusCode, Option<HeaderValue>),
}

impl From<QuotaRefusal> for Rejection {
    fn from(refusal: QuotaRefusal) -> Self {
        match refusal {
            QuotaRefusal::Exceeded(violation) => Self::QuotaExceeded(violation),
            QuotaRefusal::Unavailable => Self::QuotaUnavailable,
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The status.
    pub status: StatusCode,
    /// The contract's `code`.
    pub code: &'static str,
    /// Words for a person; the same for every occurrence (RFC 9457 §3.1.3).
    pub title: &'static str,
    /// The error type of RFC 9209 §2.3.
    pub proxy_status: &'static str,
    /// What a gRPC client is told instead of the status.
    pub grpc: GrpcStatus,
}

/// Reduced capacity or used-up quota, as registered for problem types (draft-ietf-httpapi-ratelimit-headers-10 §8).
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

impl Rejection {
    /// Its row.
    #[must_use]
    pub fn row(&self) -> Row {
        use GrpcStatus::*;
        let denied = "http_request_denied";
        let row = |status, code, title, proxy_status, grpc| Row { status, code, title, proxy_status, grpc };
        let bad = |status, code, title| row(status, code, title, "http_request_error", Internal);
        match self {
            Self::Malformed(Malformed::HeadTimeout) => {
                bad(StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request Timeout")
            }
            Self::Malformed(why) => {
                let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
                bad(status, "bad_request", "Malformed Request")
            }
            Self::BadRequest(why) => bad(why.status, "bad_request", "Bad Request"),
            Self::BadPath => bad(StatusCode::BAD_REQUEST, "bad_request", "Bad Request"),
            Self::UnsupportedUpgrade => {
                bad(StatusCode::BAD_REQUEST, "unsupported_upgrade", "Unsupported Upgrade")
            }
            Self::UnknownTenant => {
                row(StatusCode::NOT_FOUND, "unknown_tenant", "Unknown Tenant", denied, Unimplemented)
            }
            Self::TenantConflict => bad(StatusCode::BAD_REQUEST, "tenant_conflict", "Conflicting Tenants"),
            Self::Misdirected => {
                bad(StatusCode::MISDIRECTED_REQUEST, "misdirected_request", "Misdirected Request")
            }
            Self::TenantUnavailable => {
                let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_error");
                row(status, "tenant_unavailable", "Tenant Unavailable", error, Unavailable)
            }
            Self::Suspended => {
                row(StatusCode::FORBIDDEN, "tenant_suspended", "Tenant Suspended", denied, PermissionDenied)
            }
            Self::PastDue => {
                let status = StatusCode::PAYMENT_REQUIRED;
                row(status, "payment_required", "Payment Required", denied, FailedPrecondition)
            }
            Self::Maintenance => {
                row(StatusCode::SERVICE_UNAVAILABLE, "maintenance", "Under Maintenance", denied, Unavailable)
            }
            Self::AccessDenied => {
                row(StatusCode::FORBIDDEN, "access_denied", "Access Denied", denied, PermissionDenied)
            }
            Self::NoRoute => {
                let (status, error) = (StatusCode::NOT_FOUND, "destination_not_found");
                row(status, "no_route", "No Route", error, Unimplemented)
            }
            Self::FeatureNotInPlan(_) => {
                let title = "Feature Not in Plan";
                row(StatusCode::FORBIDDEN, "feature_not_in_plan", title, denied, PermissionDenied)
            }
            Self::RateLimited(_) => {
                let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Rate Limit Exceeded");
                row(status, "rate_limited", title, denied, ResourceExhausted)
            }
            Self::QuotaExceeded(_) => {
                let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Quota Exceeded");
                row(status, "quota_exceeded", title, denied, ResourceExhausted)
            }
            Self::QuotaUnavailable => {
                let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_error");
                row(status, "quota_unavailable", "Quota Unavailable", error, Unavailable)
            }
            Self::ConcurrencyExceeded | Self::TenantConnections | Self::CircuitOpen(Tripped::Tenant(_)) => {
                let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests in Flight");
                row(status, "concurrency_exceeded", title, denied, ResourceExhausted)
            }
            Self::NoCapacity | Self::CircuitOpen(Tripped::Pool(_)) => {
                let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "connection_limit_reached");
                row(status, "no_capacity", "No Capacity", error, Unavailable)
            }
            Self::Intercepted(status, _) => {
                row(*status, "upstream_error", "Application Error", "http_protocol_error", Unavailable)
            }
            Self::BodyTooLarge => {
                let (status, title) = (StatusCode::PAYLOAD_TOO_LARGE, "Request Body Too Large");
                row(status, "body_too_large", title, denied, ResourceExhausted)
            }
            Self::BodyIncomplete => {
                let (status, error) = (StatusCode::REQUEST_TIMEOUT, "http_request_error");
                row(status, "request_timeout", "Request Timeout", error, Cancelled)
            }
            Self::NoEndpoint => {
                let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "destination_unavailable");
                row(status, "no_endpoint", "No Endpoint", error, Unavailable)
            }
            Self::UpstreamConnect(why) => {
                let (status, title) = (StatusCode::BAD_GATEWAY, "Upstream Unreachable");
                row(status, "upstream_connect", title, why.proxy_status(), Unavailable)
            }
            Self::UpstreamProtocol(why) => {
                let (status, title) = (StatusCode::BAD_GATEWAY, "Invalid Upstream Response");
                row(status, "upstream_protocol", title, why, Unavailable)
            }
            Self::UpstreamTimeout => {
                let (status, error) = (StatusCode::GATEWAY_TIMEOUT, "connection_read_timeout");
                row(status, "upstream_timeout", "Upstream Timeout", error, DeadlineExceeded)
            }
        }
    }

    /// The problem's type (RFC 9457 §3.1.1).
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::RateLimited(_) | Self::QuotaExceeded(_) => QUOTA_EXCEEDED,
            Self::ConcurrencyExceeded | Self::TenantConnections | Self::NoCapacity | Self::CircuitOpen(_) => {
                REDUCED_CAPACITY
            }
            _ => "about:blank",
        }
    }

    /// One sentence about this occurrence, for the client: nothing internal in it.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed(why) => why.detail().to_owned(),
            Self::BadRequest(bad) => bad.detail.to_owned(),
            Self::BadPath => "The path climbs above the root or is badly encoded.".to_owned(),
            Self::UnsupportedUpgrade => "This protocol can't be upgraded to through the gateway.".to_owned(),
            Self::UnknownTenant => "No tenant is served under this host.".to_owned(),
            Self::TenantConflict => "The request names more than one tenant.".to_owned(),
            Self::Misdirected => {
                "This connection was not opened for the host of the request. Open another for it.".to_owned()
            }
            Self::TenantUnavailable => {
                "Who is served under this host can't be told at the moment.".to_owned()
            }
            Self::Suspended => "This tenant has been suspended.".to_owned(),
            Self::PastDue => "This tenant's account is past due.".to_owned(),
            Self::Maintenance => "This tenant is under maintenance.".to_owned(),
            Self::AccessDenied => "Requests from your address are not let in here.".to_owned(),
            Self::NoRoute => "No route takes this request.".to_owned(),
            Self::FeatureNotInPlan(feature) => {
                format!("The feature '{feature}' is not in this tenant's plan.")
            }
            Self::RateLimited(violation) => {
                format!("The rate limit is used up. Try again in {} s.", violation.retry_after_s)
            }
            Self::QuotaExceeded(violation) => {
                let names = violation.policies.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>();
                let wait_s = violation.retry_after_s;
                format!("The quota {} is used up. Try again in {wait_s} s.", names.join(", "))
            }
            Self::QuotaUnavailable => "This tenant's quota can't be checked at the moment.".to_owned(),
            Self::ConcurrencyExceeded => "Too many requests of this tenant are in flight.".to_owned(),
            Self::TenantConnections => "This tenant has too many connections.".to_owned(),
            Self::NoCapacity => "The application is busy, and no place became free in time.".to_owned(),
            Self::CircuitOpen(Tripped::Tenant(_)) => {
                "This tenant has as much of the application in use as it may.".to_owned()
            }
            Self::CircuitOpen(Tripped::Pool(_)) => {
                "The application is busy, and takes no more at the moment.".to_owned()
            }
            Self::BodyTooLarge => "The request body is larger than may be sent here.".to_owned(),
            Self::BodyIncomplete => "The request body did not arrive whole and in time.".to_owned(),
            Self::NoEndpoint => "No endpoint can take this request.".to_owned(),
            Self::UpstreamConnect(_) => "The application could not be reached.".to_owned(),
            Self::UpstreamProtocol(_) => "The application's response was not valid.".to_owned(),
            Self::Intercepted(..) => "The application answered with an error.".to_owned(),
            Self::UpstreamTimeout => "The application did not respond in time.".to_owned(),
        }
    }

    /// Seconds after which it may be worth to try again.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited(violation) | Self::QuotaExceeded(violation) => Some(violation.retry_after_s),
            Self::QuotaUnavailable | Self::TenantUnavailable => Some(1),
            Self::ConcurrencyExceeded | Self::TenantConnections | Self::NoCapacity | Self::CircuitOpen(_) => {
                Some(1)
            }
            Self::Maintenance => Some(120),
            _ => None,
        }
    }

    /// The policies that were violated, as `RateLimit-Policy` names them.
    #[must_use]
    pub fn violated_policies(&self) -> &[Arc<str>] {
        match self {
            Self::RateLimited(violation) | Self::QuotaExceeded(violation) => &violation.policies,
            _ => &[],
        }
    }

    /// The feature that is missing.
    #[must_use]
    pub fn feature(&self) -> Option<&str> {
        match self {
            Self::FeatureNotInPlan(feature) => Some(feature),
            _ => None,
        }
    }

    /// Whether the connection can't be used further: what follows on it can't be framed, or would have to
    /// be read only to be thrown away.
    #[must_use]
    pub fn closes(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::BadRequest(_) | Self::BodyTooLarge | Self::BodyIncomplete)
    }
}
