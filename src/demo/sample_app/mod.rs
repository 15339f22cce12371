//! A small HTTP/1.1 application that answers with what it saw.
//!
//! It stands behind the gateway in the demo, in the container composition and in tests, so that
//! a person can see which tenant, pool and headers reached an application. It knows nothing of
//! the gateway, and holds itself to bounds like any origin on a network should.

mod accept;
mod answer;
mod body;
mod home;
mod view;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How long a connection may take to send a request's head, and so how long an idle one is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// The largest request head, in bytes.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Connections served at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 4096;
/// Event streams served at once; more are answered 503.
const STREAMS_MAX: usize = 256;
/// How long requests may go on after `shutdown`.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to leave the listener alone after it failed (it is out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who the application says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleApp {
    /// The name of this instance: what tells two endpoints of a pool apart.
    pub name: String,
    /// The pool that this instance was started for.
    pub pool: String,
    /// Whether its pages are written for a gateway that gives them the look of tenants (`branding.inject`).
    pub branded: bool,
}

/// What all connections of one application share.
struct Shared {
    identity: SampleApp,
    streams: Arc<Semaphore>,
}

/// Serves the application until `shutdown` completes, then lets running requests finish for at
/// most five seconds.
///
/// It needs a Tokio runtime with I/O and time, of either flavour, and spawns only tasks that
/// end with it.
///
/// # Errors
/// Where the listener can't be registered with the runtime. What goes wrong with one connection
/// ends only that connection.
pub async fn serve(
    listener: std::net::TcpListener,
    identity: SampleApp,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let shared = Arc::new(Shared { identity, streams: Arc::new(Semaphore::new(STREAMS_MAX)) });
    // Dropping the sender is the signal.
    let (draining, drain) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared), drain.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    drop(draining);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is late is aborted as the set is dropped.
    let _late = tokio::time::timeout(DRAIN, drained).await;
    Ok(())
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, mut drain: watch::Receiver<()>) {
    // Answers are small and flushed whole: waiting for more only adds latency.
    let _best_effort = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, std::convert::Infallible>(answer::answer(&shared, request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    // A client that breaks off is nothing that this application could tell anyone about.
    let _served = tokio::select! {
        served = &mut connection => served,
        _ = drain.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

#[cfg(test)]
mod tests;
