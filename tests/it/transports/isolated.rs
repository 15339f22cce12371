//! Connections that are one tenant's alone: told apart by origins that say which connection a request came by.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::future::join_all;
use h2::server::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tollgate::types::TenantId;
use tollgate::upstream::{Address, Protocol};

use super::http2::{accepting, say, serve_h2};
use super::{Scene, endpoint, on_a_worker, serve};

/// What a scene's client keeps for an endpoint.
const IDLE_MAX: usize = 8;

fn tenant(nth: usize) -> TenantId {
    TenantId::parse(&format!("t{nth}")).unwrap()
}

/// Answers with its connection's number.
async fn numbered_http1() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        let mut number = 0;
        while let Ok((io, _)) = listener.accept().await {
            number += 1;
            spawn_local(async move { serve(io, &number.to_string()).await });
        }
    });
    address
}

async fn numbered_http2() -> SocketAddr {
    let numbered = |io: TcpStream, number: usize| {
        serve_h2(io, Builder::new(), async move |_, respond| say(respond, &number.to_string()))
    };
    accepting(numbered).await.0
}

async fn scenes() -> [Scene; 2] {
    let (http1, http2) = (numbered_http1().await, numbered_http2().await);
    [
        Scene::to(endpoint(Address::Ip(http1))),
        Scene::to(endpoint(Address::Ip(http2)).speaking(Protocol::Http2)),
    ]
}

#[test]
fn no_two_tenants_meet_on_a_connection_and_none_on_one_that_all_share() {
    on_a_worker(async {
        for scene in scenes().await {
            let owners = [None, Some(tenant(1)), Some(tenant(2))];
            let get = |nth: usize| scene.get_of(owners[nth].as_ref());
            let first = [get(0).await.unwrap(), get(1).await.unwrap(), get(2).await.unwrap()];
            assert_eq!(first, ["1", "2", "3"]);
            for nth in [1, 0, 2, 2, 1, 0] {
                assert_eq!(get(nth).await.unwrap(), first[nth], "each has its own");
            }
            assert_eq!(scene.client.idle(), 3);
        }
    });
}

#[test]
fn what_waits_unused_is_bounded_over_all_tenants() {
    on_a_worker(async {
        for scene in scenes().await {
            for nth in 0..3 * IDLE_MAX {
                assert_eq!(scene.get_of(Some(&tenant(nth))).await.unwrap(), (nth + 1).to_string());
                assert!(scene.client.idle() <= IDLE_MAX + 1, "{}", scene.client.idle());
            }
            // The last ones are still there, the first is not.
            let last = 3 * IDLE_MAX - 1;
            assert_eq!(scene.get_of(Some(&tenant(last))).await.unwrap(), (last + 1).to_string());
            assert_eq!(scene.get_of(Some(&tenant(0))).await.unwrap(), (last + 2).to_string());
            // Many at a time come to rest together.
            let many: Vec<_> = (100..140).map(tenant).collect();
            for answer in join_all(many.iter().map(|owner| scene.get_of(Some(owner)))).await {
                answer.unwrap();
            }
            scene.client.sweep(|_| true);
            assert_eq!(scene.client.idle(), IDLE_MAX);
        }
    });
}
