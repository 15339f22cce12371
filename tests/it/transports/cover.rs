//! Stands before a plain origin and gives it another transport: what comes over TLS or a Unix socket goes on to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A cover, gone when dropped with all its connections.
pub(crate) struct Cover {
    /// Where it listens, for the configuration.
    pub url: String,
    connections: Arc<AtomicUsize>,
    _stop: oneshot::Sender<()>,
}

impl Cover {
    /// Over TLS.
    pub fn tls(origin: SocketAddr, acceptor: TlsAcceptor) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        Self::start(url, move |connections| async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((io, _)) = listener.accept().await {
                io.set_nodelay(true).unwrap();
                let (acceptor, connections) = (acceptor.clone(), Arc::clone(&connections));
                tokio::spawn(async move {
                    if let Ok(io) = acceptor.accept(io).await {
                        connections.fetch_add(1, Ordering::SeqCst);
                        pass(io, origin).await;
                    }
                });
            }
        })
    }

    /// Over a Unix socket at the path.
    pub fn unix(origin: SocketAddr, path: &Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self::start(format!("unix:{}", path.display()), move |connections| async move {
            let listener = UnixListener::from_std(listener).unwrap();
            while let Ok((io, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(io, origin));
            }
        })
    }

    /// Where it listens for TLS.
    pub fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("https://").parse().unwrap()
    }

    /// How many connections it took; over TLS, whose handshake was done.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn start<F: Future<Output = ()>>(
        url: String,
        serve: impl FnOnce(Arc<AtomicUsize>) -> F + Send + 'static,
    ) -> Self {
        let connections = Arc::default();
        let counted = Arc::clone(&connections);
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { url, connections, _stop: stop }
    }
}

async fn pass(mut io: impl AsyncRead + AsyncWrite + Unpin, origin: SocketAddr) {
    if let Ok(mut origin) = TcpStream::connect(origin).await {
        origin.set_nodelay(true).unwrap();
        let _ = copy_bidirectional(&mut io, &mut origin).await;
    }
}
