//! Asking an endpoint whether it can serve.

use std::ops::RangeInclusive;
use std::pin::pin;
use std::time::Duration;

use http::header::{HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

use super::body::UpstreamBody;
use super::client::{Answer, SendFailure, Terms, UpstreamClient};
use super::connect::connect;
use super::endpoint::Endpoint;
use super::outbox::Outbox;
use super::pool::Pool;
use crate::health::RiseFall;
use crate::http::body::RequestBody;

/// Octets of an answer's body that are read, so that the endpoint sees a client that listened.
const BODY_MAX: usize = 64 * 1024;

/// How a pool's endpoints are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChecks {
    /// What is asked.
    pub probe: Probe,
    /// From one check of an endpoint to the next, give or take a tenth.
    pub interval: Duration,
    /// How long the whole of a check may take.
    pub timeout: Duration,
    /// After how many results it counts.
    pub rules: RiseFall,
}

/// What is asked of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// That it takes a connection; over TLS, that it shakes hands.
    Connect,
    /// That it answers a request.
    Http(HttpProbe),
}

/// A request, and the answers that mean health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// Its method: a safe one.
    pub method: Method,
    /// Its path and query.
    pub path: PathAndQuery,
    /// What it sends as `Host`; none: where the endpoint is.
    pub host: Option<HeaderValue>,
    /// The statuses that mean health.
    pub expect: Vec<RangeInclusive<u16>>,
}

/// Asks once, over a connection of its own.
///
/// # Errors
/// Why the endpoint can't serve, in words.
pub(super) async fn ask(pool: &Pool, endpoint: &Endpoint, checks: &HealthChecks) -> Result<(), String> {
    let asking = async {
        match &checks.probe {
            Probe::Connect => {
                let protocol = endpoint.protocol();
                let opened = connect(endpoint.address(), endpoint.tls(), protocol, checks.timeout).await;
                endpoint.note_reachable(opened.as_ref().map(drop));
                opened.map(drop).map_err(|why| why.to_string())
            }
            Probe::Http(probe) => request(pool, endpoint, probe).await,
        }
    };
    let asked = timeout(checks.timeout, asking).await;
    asked.unwrap_or_else(|_| Err(format!("no answer within {} ms", checks.timeout.as_millis())))
}

async fn request(pool: &Pool, endpoint: &Endpoint, probe: &HttpProbe) -> Result<(), String> {
    let host = match &probe.host {
        Some(host) => host.clone(),
        None => HeaderValue::from_str(&endpoint.authority()).map_err(|error| error.to_string())?,
    };
    let request = Request::builder()
        .method(probe.method.clone())
        .uri(probe.path.as_str())
        .header(HOST, host)
        .header(USER_AGENT, "tollgate-health-check")
        .body(())
        .map_err(|error| error.to_string())?;
    let (head, ()) = request.into_parts();
    let client = UpstreamClient::default();
    let mut outgoing = Some(Outbox::new(&head, &[], RequestBody::empty(), client.text()));
    let terms = Terms {
        expires: None,
        flow: None,
        owner: None,
        since: Instant::now(),
        fresh: true,
        upgrade: None,
        retry: None,
        interim: None,
        // Nothing refuses a check, nor does it wait.
        fuse: None,
    };
    match client.send(pool, endpoint, &mut outgoing, terms).await {
        Ok(Answer::Response(response)) => {
            let status = response.status().as_u16();
            listen(response).await;
            let is_expected = probe.expect.iter().any(|range| range.contains(&status));
            if is_expected { Ok(()) } else { Err(format!("it answered {status}")) }
        }
        Ok(Answer::Switched(..)) | Err(SendFailure::Protocol | SendFailure::NoSwitch) => {
            Err("its answer is not HTTP".to_owned())
        }
        Err(SendFailure::Connect(why)) => Err(why.to_string()),
        Err(SendFailure::Timeout) => Err("no answer in time".to_owned()),
        Err(SendFailure::Alert) => Err("it ended the connection by a TLS alert".to_owned()),
        Err(_) => Err("it closed the connection without an answer".to_owned()),
    }
}

async fn listen(response: Response<UpstreamBody>) {
    let mut body = pin!(response.into_body());
    let mut octets = 0;
    while octets < BODY_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        octets += frame.data_ref().map_or(0, |data| data.len());
    }
}
