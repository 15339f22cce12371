//! The one table of refusals: from a reason to status, code, words, and who is to blame.

use std::sync::Arc;

use http::StatusCode;

use crate::admission::Violation;
use crate::admission::quota::QuotaRefusal;
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
    /// The tenant is suspended.
    Suspended,
    /// The tenant owes.
    PastDue,
    /// The tenant is being worked on.
    Maintenance,
    /// The client's address is not on the tenant's list.
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
    /// The pool has no seat for it, and it has waited as long as it may.
    NoCapacity,
    /// Its body is larger than the tenant may send.
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
}

/// Reduced capacity or used-up quota, as registered for problem types (draft-ietf-httpapi-ratelimit-headers-10 §8).
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

impl Rejection {
    /// Its row.
    #[must_use]
    pub fn row(&self) -> Row {
        let denied = "http_request_denied";
        let row = |status, code, title, proxy_status| Row { status, code, title, proxy_status };
        match self {
            Self::Malformed(Malformed::HeadTimeout) => {
                row(StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request Timeout", "http_request_error")
            }
            Self::Malformed(why) => {
                let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
                row(status, "bad_request", "Malformed Request", "http_request_error")
            }
            Self::BadRequest(bad) => row(bad.status, "bad_request", "Bad Request", "http_request_error"),
            Self::BadPath => row(StatusCode::BAD_REQUEST, "bad_request", "Bad Request", "http_request_error"),
            Self::UnsupportedUpgrade => row(
                StatusCode::BAD_REQUEST,
                "unsupported_upgrade",
                "Unsupported Upgrade",
                "http_request_error",
            ),
            Self::UnknownTenant => row(StatusCode::NOT_FOUND, "unknown_tenant", "Unknown Tenant", denied),
            Self::TenantConflict => {
                row(StatusCode::BAD_REQUEST, "tenant_conflict", "Conflicting Tenants", "http_request_error")
            }
            Self::Suspended => row(StatusCode::FORBIDDEN, "tenant_suspended", "Tenant Suspended", denied),
            Self::PastDue => {
                row(StatusCode::PAYMENT_REQUIRED, "payment_required", "Payment Required", denied)
            }
            Self::Maintenance => {
                row(StatusCode::SERVICE_UNAVAILABLE, "maintenance", "Under Maintenance", denied)
            }
            Self::AccessDenied => row(StatusCode::FORBIDDEN, "access_denied", "Access Denied", denied),
            Self::NoRoute => row(StatusCode::NOT_FOUND, "no_route", "No Route", "destination_not_found"),
            Self::FeatureNotInPlan(_) => {
                row(StatusCode::FORBIDDEN, "feature_not_in_plan", "Feature Not in Plan", denied)
            }
            Self::RateLimited(_) => {
                row(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Rate Limit Exceeded", denied)
            }
            Self::QuotaExceeded(_) => {
                row(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", "Quota Exceeded", denied)
            }
            Self::QuotaUnavailable => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "quota_unavailable",
                "Quota Unavailable",
                "proxy_internal_error",
            ),
            Self::ConcurrencyExceeded => row(
                StatusCode::TOO_MANY_REQUESTS,
                "concurrency_exceeded",
                "Too Many Requests in Flight",
                denied,
            ),
            Self::NoCapacity => {
                row(StatusCode::SERVICE_UNAVAILABLE, "no_capacity", "No Capacity", "connection_limit_reached")
            }
            Self::BodyTooLarge => {
                row(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Request Body Too Large", denied)
            }
            Self::BodyIncomplete => {
                row(StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request Timeout", "http_request_error")
            }
            Self::NoEndpoint => {
                row(StatusCode::SERVICE_UNAVAILABLE, "no_endpoint", "No Endpoint", "destination_unavailable")
            }
            Self::UpstreamConnect(why) => {
                row(StatusCode::BAD_GATEWAY, "upstream_connect", "Upstream Unreachable", why.proxy_status())
            }
            Self::UpstreamProtocol(why) => {
                row(StatusCode::BAD_GATEWAY, "upstream_protocol", "Invalid Upstream Response", why)
            }
            Self::UpstreamTimeout => row(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "Upstream Timeout",
                "connection_read_timeout",
            ),
        }
    }

    /// The problem's type (RFC 9457 §3.1.1).
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::RateLimited(_) | Self::QuotaExceeded(_) => QUOTA_EXCEEDED,
            Self::ConcurrencyExceeded | Self::NoCapacity => REDUCED_CAPACITY,
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
            Self::Suspended => "This tenant has been suspended.".to_owned(),
            Self::PastDue => "This tenant's account is past due.".to_owned(),
            Self::Maintenance => "This tenant is under maintenance.".to_owned(),
            Self::AccessDenied => "Your address may not use this tenant.".to_owned(),
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
            Self::NoCapacity => "The application is busy, and no place became free in time.".to_owned(),
            Self::BodyTooLarge => "The request body is larger than this tenant may send.".to_owned(),
            Self::BodyIncomplete => "The request body did not arrive in time.".to_owned(),
            Self::NoEndpoint => "No endpoint can take this request.".to_owned(),
            Self::UpstreamConnect(_) => "The application could not be reached.".to_owned(),
            Self::UpstreamProtocol(_) => "The application's response was not valid.".to_owned(),
            Self::UpstreamTimeout => "The application did not respond in time.".to_owned(),
        }
    }

    /// Seconds after which it may be worth to try again.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited(violation) | Self::QuotaExceeded(violation) => Some(violation.retry_after_s),
            Self::QuotaUnavailable => Some(1),
            Self::ConcurrencyExceeded | Self::NoCapacity => Some(1),
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
