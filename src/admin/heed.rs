//! Clients that stop taking what they asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::listen::ClientStream;
use crate::types::Peer;

/// A client's connection, which fails once the client has taken nothing for too long. Whatever the answer holds (a page of an
/// export, a snapshot of the store) goes with it. It is the connection that has to know: an answer's body is not asked for more while
/// nothing goes out, and would never hear of it.
pub(super) struct Heeded {
    stream: ClientStream,
    peer: Peer,
    patience: Duration,
    /// While something waits to be taken.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Heeded {
    /// A connection whose client has so much time to take something.
    pub(super) fn new(stream: ClientStream, peer: Peer, patience: Duration) -> Self {
        Self { stream, peer, patience, waiting: None }
    }

    fn in_time<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let patience = self.patience;
        ready!(self.waiting.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(context));
        tracing::warn!(peer = %self.peer, "an admin client took nothing of its answer for {} s, and is cut off", patience.as_secs());
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Heeded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Heeded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, data);
        self.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::admin::harness_tests::{Admin, LONG, TOKEN, bearer, registry};
    use crate::admin::server::Patience;
    use crate::store::{Actor, Expect, Put, Store, TenantContent};
    use crate::telemetry::Metrics;
    use crate::types::TenantId;

    /// More than sockets hold.
    const TENANTS: usize = 64;
    const LARGE: usize = 256 << 10;
    /// Longer than any test.
    const DEADLINE: Duration = Duration::from_secs(60);

    fn put(number: usize) -> Put {
        let content = TenantContent {
            state: "active".into(),
            settings: Some(format!("{{\"features\":[\"{}\"]}}", "x".repeat(LARGE)).into()),
            ..TenantContent::default()
        };
        let id = TenantId::parse(&format!("t{number}")).unwrap();
        let actor = Actor("token".into());
        Put { id, content, expect: Expect::Any, actor, action: "tenant.create", note: None }
    }

    #[tokio::test]
    async fn an_export_whose_client_takes_nothing_of_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::new(1).unwrap();
        let store = Arc::new(Store::open(&folder.path().join("t.db"), metrics.store()).unwrap());
        store.put_all((0..TENANTS).map(put).collect(), false).await.unwrap();
        let registry = registry();
        registry.connect(store);
        let patience = Patience { stall: Duration::from_millis(50), ..LONG };
        let admin = Admin::start_over(Arc::clone(&registry), Some(TOKEN), None, patience).await;
        let idle = Arc::strong_count(&registry);
        let mut client = admin.connect().await;
        let request = format!("GET /api/v1/export HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", bearer(TOKEN));
        client.write_all(request.as_bytes()).await.unwrap();
        // It begins: the answer's body has the registry in hand, until it is dropped.
        let mut start = [0; 15];
        client.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        let ended = async {
            while Arc::strong_count(&registry) > idle {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("it ends");
        let mut rest = Vec::new();
        // Closed, or reset: in either case it is not whole, and doesn't look so.
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.len() < TENANTS * LARGE && !rest.ends_with(b"0\r\n\r\n"), "{}", rest.len());

        // Who takes it all gets it all.
        let answer = admin.ask("GET", "/api/v1/export", &[&bearer(TOKEN)]).await;
        assert!(answer.body.len() > TENANTS * LARGE && answer.body.ends_with("\r\n0\r\n\r\n"));
    }
}
