//! Endpoints behind a Unix domain socket.

use std::path::Path;

use tokio::net::UnixListener;
use tokio::task::spawn_local;
use tollgate::upstream::Address;

use super::{Count, Scene, assert_tunnels, endpoint, on_a_worker, serve};

/// Serves on a socket at the path; counts its connections.
fn origin(path: &Path) -> Count {
    let listener = UnixListener::bind(path).unwrap();
    let connections = Count::default();
    let counted = connections.clone();
    spawn_local(async move {
        while let Ok((io, _)) = listener.accept().await {
            counted.one_more();
            spawn_local(serve(io, "from a socket"));
        }
    });
    connections
}

#[test]
fn a_unix_socket_serves_requests_over_one_kept_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    on_a_worker(async {
        let connections = origin(&path);
        let scene = Scene::to(endpoint(Address::Unix(path.clone())));
        for _ in 0..3 {
            assert_eq!(scene.get().await.unwrap(), "from a socket");
        }
        assert_eq!((connections.get(), scene.client.idle()), (1, 1));
        assert_eq!(&**scene.endpoint.name(), format!("unix:{}", path.display()));
    });
}

#[test]
fn a_tunnel_runs_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    on_a_worker(async {
        origin(&path);
        assert_tunnels(&Scene::to(endpoint(Address::Unix(path.clone())))).await;
    });
}

#[test]
fn a_unix_socket_that_nobody_serves_is_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    on_a_worker(async {
        let scene = Scene::to(endpoint(Address::Unix(path.clone())));
        assert_eq!(scene.refusal().await, "destination_unavailable", "it is not there");
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(scene.refusal().await, "connection_refused", "it is left over");
    });
}
