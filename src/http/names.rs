//! Names of fields that the gateway itself reads or writes, and of versions, that `http` has no constants for.

use http::{HeaderName, Version};

/// `Keep-Alive` (RFC 2068 §19.7.1; hop-by-hop).
pub static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// `Proxy` (never standard).
pub static PROXY: HeaderName = HeaderName::from_static("proxy");
/// `Proxy-Connection` (never standard; hop-by-hop).
pub static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// `HTTP2-Settings` (RFC 7540 §3.2.1; hop-by-hop).
pub static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// `Proxy-Status` (RFC 9209).
pub static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// `X-Forwarded-For`.
pub static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`.
pub static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`.
pub static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Request-Id`.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).
pub static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// `X-Tollgate-Quota-Warning`: quotas whose soft threshold is passed.
pub static QUOTA_WARNING: HeaderName = HeaderName::from_static("x-tollgate-quota-warning");
/// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
pub static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `grpc-status`: how a call ended.
pub static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`: the same in words.
pub static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// `grpc-timeout`: how long a call may take.
pub static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// `X-Request-Timeout`: the same of any request.
pub static X_REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");
/// `grpc-retry-pushback-ms` (gRFC A6): when to try again.
pub static GRPC_RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// A version of HTTP, as logs call it.
#[must_use]
pub fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}
