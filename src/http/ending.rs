//! Why connections end: before their time, or because they have had it.

use std::time::Duration;

/// Why a connection, or a stream of it, was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A head did not come in time.
    HeaderTimeout,
    /// It was kept for as long as connections are without a request.
    Idle,
    /// The client has taken nothing of a response for too long.
    WriteTimeout,
    /// It has taken it too slowly.
    SlowResponse,
    /// The client has sent nothing of a body for too long.
    BodyTimeout,
    /// It has sent it too slowly.
    SlowRequest,
    /// Nothing came through a tunnel for too long.
    TunnelIdle,
}

impl Cut {
    /// Its name in metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::HeaderTimeout => "header_timeout",
            Self::Idle => "idle",
            Self::WriteTimeout => "write_timeout",
            Self::SlowResponse => "slow_response",
            Self::BodyTimeout => "body_timeout",
            Self::SlowRequest => "slow_request",
            Self::TunnelIdle => "tunnel_idle",
        }
    }
}

/// How long a connection may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifeLimits {
    /// Requests that it may bring.
    pub requests_max: u64,
    /// From its beginning; what is under way then is finished.
    pub age_max: Option<Duration>,
}

impl Default for LifeLimits {
    fn default() -> Self {
        Self { requests_max: u64::MAX, age_max: None }
    }
}
