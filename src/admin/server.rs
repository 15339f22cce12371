//! The admin listener's connections: bounded in number, in patience and in age.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::heed::Heeded;
use super::stay::Stay;
use super::{AdminState, routes};
use crate::listen::{Acceptor, ClientStream};
use crate::types::Peer;

/// How many connections are served at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 128;
/// How long to wait when the process has no file descriptor left.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long the end of the last answer may take to be written.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How large a request's head may be, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// How long a connection is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a request's head, and for the next request.
    pub(super) head: Duration,
    /// For its taking something of an answer: one that reads nothing of it is cut off.
    pub(super) stall: Duration,
    /// From its beginning to its end, unless a request keeps it that has deadlines of its own: one that reads a byte now and
    /// then of its answer would stay for ever.
    pub(super) age: Duration,
    /// For requests under way once the listener shuts down or the connection is old.
    pub(super) grace: Duration,
}

const PATIENCE: Patience = Patience {
    head: Duration::from_secs(30),
    stall: Duration::from_secs(30),
    age: Duration::from_secs(600),
    grace: Duration::from_secs(5),
};

/// Serves the admin listener until `shutdown` resolves, then ends what is under way within 5 s.
///
/// # Errors
/// Those of the listener that can't be waited out. Failed connections are not among them.
pub async fn serve(
    listener: Acceptor,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_patiently(listener, state, shutdown, PATIENCE).await
}

pub(super) async fn serve_patiently(
    listener: Acceptor,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send + 'static,
    patience: Patience,
) -> io::Result<()> {
    let router = routes::router(state);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &room) => {
                if let Some((stream, peer, place)) = accepted? {
                    let stream = Heeded::new(stream, peer, patience.stall);
                    connections.spawn(connection(stream, router.clone(), patience, end.clone(), place));
                }
            }
        }
    }
    drop(listener);
    // Nobody listens when there is no connection: that is no error.
    let _ = ending.send(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(patience.grace + BACK_OFF, all_ended).await.is_err() {
        tracing::warn!("admin connections were cut at the end");
    }
    Ok(())
}

async fn accept(
    listener: &Acceptor,
    room: &Arc<Semaphore>,
) -> io::Result<Option<(ClientStream, Peer, OwnedSemaphorePermit)>> {
    // Never closed while this function can be called.
    let Ok(place) = Arc::clone(room).acquire_owned().await else { return Ok(None) };
    match listener.accept().await {
        Ok((stream, peer)) => Ok(Some((stream, peer, place))),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(error),
        Err(error) => {
            // A client that is gone again, or no descriptor left: both pass.
            tracing::warn!(%error, "an admin connection can't be accepted");
            sleep(BACK_OFF).await;
            Ok(None)
        }
    }
}

async fn connection(
    stream: Heeded,
    router: Router,
    patience: Patience,
    mut end: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let stay = Stay::default();
    let staying = stay.clone();
    let under_way = Stay::default();
    let begun = under_way.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(staying.clone());
        let begun = begun.begin();
        let answering = router.clone().oneshot(request);
        async move {
            let answer = answering.await?;
            // It is under way until the last of its body is said.
            Ok::<_, Infallible>(answer.map(|body| body.map_frame(move |frame| (&begun, frame).1)))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let result = tokio::select! {
        result = &mut serving => result,
        () = ended(&mut end, patience.age, &stay) => {
            serving.as_mut().graceful_shutdown();
            // One that does not end in time is cut by being dropped; so is one that has not got to a request, which nobody has to answer.
            let over = async {
                under_way.over().await;
                sleep(LAST_WORDS).await;
            };
            tokio::select! {
                result = timeout(patience.grace, serving) => result.unwrap_or(Ok(())),
                () = over => Ok(()),
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an admin connection failed");
    }
}

/// Resolves when the listener shuts down, or the connection has reached its age and nothing keeps it.
async fn ended(end: &mut watch::Receiver<bool>, age: Duration, stay: &Stay) {
    let old = async {
        sleep(age).await;
        stay.over().await;
    };
    tokio::select! {
        // The sender is gone only after the listener, which is an end as well.
        _ = end.wait_for(|end| *end) => {}
        () = old => {}
    }
}
