//! Endpoints under TLS that agree on a protocol.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use h2::server::Builder;
use tollgate::upstream::{Address, ClientTls, Protocol};

use super::http2::{accepting, say, serve_h2};
use super::tls::{Authority, acceptor, offering, terms};
use super::{Scene, endpoint, on_a_worker, serve};

/// Serves over TLS what ALPN agrees on: with HTTP/2 "two", with HTTP/1.1 "one".
async fn choosing(authority: &Authority, offers: &[&[u8]]) -> SocketAddr {
    let acceptor = offering(&acceptor(authority, "127.0.0.1", None), offers);
    let (address, _) = accepting(move |io, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(io) = acceptor.accept(io).await else { return };
            if io.get_ref().1.alpn_protocol() == Some(b"h2") {
                serve_h2(io, Builder::new(), async |request, respond| {
                    assert_eq!(request.uri().scheme_str(), Some("https"));
                    say(respond, "two");
                })
                .await;
            } else {
                serve(io, "one").await;
            }
        }
    })
    .await;
    address
}

#[test]
fn over_tls_the_endpoint_chooses() {
    on_a_worker(async {
        let authority = Authority::new();
        let both = choosing(&authority, &[b"http/1.1", b"h2"]).await;
        let old = choosing(&authority, &[b"http/1.1"]).await;
        let silent = choosing(&authority, &[]).await;
        let tls = Arc::new(ClientTls::new(&terms(authority.trust())).unwrap());
        let scene = |address, protocol| {
            Scene::to(endpoint(Address::Ip(address)).secure(Arc::clone(&tls)).speaking(protocol))
        };
        let newest = scene(both, Protocol::Auto).get().await.unwrap();
        assert!(newest == "one" || newest == "two", "the endpoint's own order decides");
        assert_eq!(scene(both, Protocol::Http2).get().await.unwrap(), "two");
        assert_eq!(scene(both, Protocol::Http1).get().await.unwrap(), "one");
        let auto = scene(old, Protocol::Auto);
        for answer in join_all((0..3).map(|_| auto.get())).await {
            assert_eq!(answer.unwrap(), "one");
        }
        assert_eq!(scene(silent, Protocol::Auto).get().await.unwrap(), "one");
        assert_eq!(scene(silent, Protocol::Http2).refusal().await, "http_protocol_error");
        assert_eq!(scene(old, Protocol::Http2).refusal().await, "tls_alert_received");
        // Only HTTP/1.1 switches.
        super::assert_tunnels(&scene(both, Protocol::Auto)).await;
    });
}

/// An endpoint that takes its time to secure a connection: those that wait for it wait as long as its opener may.
#[test]
fn whoever_waits_for_a_connection_lets_it_be_secured() {
    on_a_worker(async {
        let authority = Authority::new();
        let connect = Duration::from_millis(200);
        let acceptor = offering(&acceptor(&authority, "127.0.0.1", None), &[b"h2"]);
        let (address, connections) = accepting(move |io, _| {
            let acceptor = acceptor.clone();
            async move {
                // What is tested is that this is longer than `connect`.
                tokio::time::sleep(2 * connect).await;
                let io = acceptor.accept(io).await.unwrap();
                serve_h2(io, Builder::new(), async |_, respond| say(respond, "slowly")).await;
            }
        })
        .await;
        let tls = Arc::new(ClientTls::new(&terms(authority.trust())).unwrap());
        let endpoint = endpoint(Address::Ip(address)).secure(tls).speaking(Protocol::Auto);
        let scene = Scene::connecting_within(connect, endpoint);
        for answer in join_all((0..3).map(|_| scene.get())).await {
            assert_eq!(answer.unwrap(), "slowly");
        }
        assert_eq!(connections.get(), 1);
    });
}
