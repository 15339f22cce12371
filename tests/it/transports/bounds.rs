//! A pool that may have but one connection, used by several workers and over both protocols.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use h2::server::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tollgate::breaker::{BreakerLimits, Circuit, CircuitTerms, Resource, Tripped};
use tollgate::types::TenantId;
use tollgate::upstream::{Address, Endpoint, Protocol, SendFailure, UpstreamClient};

use super::http2::{accepting, say, serve_h2};
use super::{Count, Scene, body_of, endpoint, get, on_a_worker, serve};

/// A scene whose pool may have so many connections.
fn bounded(endpoint: Endpoint, connections: u32) -> Scene {
    bounded_within(
        Duration::from_secs(2),
        endpoint,
        BreakerLimits { connections, ..BreakerLimits::default() },
    )
}

fn bounded_within(connect: Duration, endpoint: Endpoint, pool: BreakerLimits) -> Scene {
    Scene::bounded(connect, Some(CircuitTerms { pool, per_tenant: None }), endpoint)
}

/// Nothing is left: no connection is open, and nobody waits for one.
#[track_caller]
fn assert_nothing_is_left(circuit: &Circuit) {
    let breaker = circuit.breaker();
    let in_use = Resource::ALL.map(|resource| breaker.in_use(resource));
    assert_eq!((in_use, breaker.is_wanted()), ([0; 4], false));
}

/// What a worker does when it is called.
fn answer_calls(client: &Rc<UpstreamClient>) {
    let client = Rc::clone(client);
    spawn_local(async move {
        loop {
            client.called().await;
            client.give_way();
        }
    });
}

async fn h1(io: TcpStream, _: usize) {
    serve(io, "hello").await;
}

async fn h2(io: TcpStream, _: usize) {
    serve_h2(io, Builder::new(), async |_, respond| say(respond, "hello")).await;
}

/// Two workers ask in turn, where there may be one connection.
async fn take_turns<F: Future<Output = ()> + 'static>(
    protocol: Protocol,
    serve: impl Fn(TcpStream, usize) -> F + 'static,
) {
    let (address, connections) = accepting(serve).await;
    let scene = bounded(endpoint(Address::Ip(address)).speaking(protocol), 1);
    let clients: [Rc<UpstreamClient>; 2] = Default::default();
    clients.iter().for_each(answer_calls);
    let workers = clients.clone().map(|client| Worker { client, scene: &scene });
    for turn in 0..3 {
        for worker in &workers {
            assert_eq!(worker.get().await, "hello", "{protocol:?}, {turn}");
        }
    }
    assert_eq!(connections.get(), 6);
    assert_eq!(scene.pool.circuit().breaker().in_use(Resource::Connections), 1);
    clients.iter().for_each(|client| client.close_idle());
    assert_nothing_is_left(scene.pool.circuit());
}

#[test]
fn workers_that_ask_in_turn_let_go_for_each_other() {
    on_a_worker(take_turns(Protocol::Http1, h1));
    on_a_worker(take_turns(Protocol::Http2, h2));
}

#[test]
fn requests_over_http2_share_the_connection_that_there_may_be() {
    on_a_worker(async {
        let mut one = Builder::new();
        one.max_concurrent_streams(1);
        let (address, connections) = accepting(move |io, _| {
            serve_h2(io, one.clone(), async |_, respond| {
                yield_now().await;
                say(respond, "hello");
            })
        })
        .await;
        let scene = bounded(endpoint(Address::Ip(address)).speaking(Protocol::Http2), 1);
        for answer in join_all((0..5).map(|_| scene.get())).await {
            assert_eq!(answer.unwrap(), "hello");
        }
        let in_use = scene.pool.circuit().breaker().in_use(Resource::Connections);
        assert_eq!((connections.get(), in_use), (1, 1));
    });
}

/// An endpoint that takes one request at a time, and has one that it doesn't answer until the gate opens.
async fn busy_h2(gate: &Rc<Notify>) -> (Endpoint, Count) {
    let mut one = Builder::new();
    one.max_concurrent_streams(1);
    let gate = Rc::clone(gate);
    let (address, connections) = accepting(move |io, _| {
        let gate = Rc::clone(&gate);
        serve_h2(io, one.clone(), async move |_, respond| {
            gate.notified().await;
            say(respond, "hello");
        })
    })
    .await;
    (endpoint(Address::Ip(address)).speaking(Protocol::Http2), connections)
}

#[test]
fn requests_over_http2_that_find_no_room_in_time_trip_the_pools_bound() {
    on_a_worker(async {
        let gate = Rc::default();
        let (endpoint, connections) = busy_h2(&gate).await;
        let limits = BreakerLimits { connections: 1, ..BreakerLimits::default() };
        let scene = bounded_within(Duration::from_millis(100), endpoint, limits);
        let waits_in_vain = async {
            while scene.pool.circuit().breaker().in_use(Resource::Connections) == 0 {
                yield_now().await;
            }
            let tripped = scene.get().await;
            gate.notify_one();
            tripped
        };
        let (answer, tripped) = tokio::join!(scene.get(), waits_in_vain);
        assert_eq!(answer.unwrap(), "hello");
        let Err(SendFailure::Tripped(Tripped::Pool(Resource::Connections))) = tripped else {
            panic!("{tripped:?}");
        };
        assert_eq!(connections.get(), 1);
        scene.client.close_idle();
        assert_nothing_is_left(scene.pool.circuit());
    });
}

#[test]
fn no_request_waits_for_room_over_http2_where_none_may_wait() {
    on_a_worker(async {
        let gate = Rc::default();
        let (endpoint, _) = busy_h2(&gate).await;
        let limits = BreakerLimits { connections: 1, pending: 0, ..BreakerLimits::default() };
        let scene = bounded_within(Duration::from_secs(2), endpoint, limits);
        let comes_second = async {
            // Once it is open, and carries the first.
            while scene.client.idle() > 0 || scene.pool.circuit().breaker().in_use(Resource::Connections) == 0
            {
                yield_now().await;
            }
            let tripped = scene.get().await;
            gate.notify_one();
            tripped
        };
        let (answer, tripped) = tokio::join!(scene.get(), comes_second);
        assert_eq!(answer.unwrap(), "hello");
        let Err(SendFailure::Tripped(Tripped::Pool(Resource::Pending))) = tripped else {
            panic!("{tripped:?}");
        };
        scene.client.close_idle();
        assert_nothing_is_left(scene.pool.circuit());
    });
}

#[test]
fn what_comes_free_goes_to_no_other_tenant_where_connections_are_one_tenants_each() {
    on_a_worker(async {
        let (address, connections) = accepting(h1).await;
        let scene = bounded(endpoint(Address::Ip(address)), 1);
        let [acme, globex] = ["acme", "globex"].map(|id| TenantId::parse(id).unwrap());
        let owners = [&acme, &acme, &globex, &globex];
        for answer in join_all(owners.map(|owner| scene.get_of(Some(owner)))).await {
            assert_eq!(answer.unwrap(), "hello");
        }
        assert_eq!(connections.get(), 2, "each tenant's second request takes the first one's over");
        scene.client.close_idle();
        assert_nothing_is_left(scene.pool.circuit());
    });
}

#[test]
fn one_worker_that_always_wants_its_connection_does_not_keep_it_from_another() {
    on_a_worker(async {
        let (address, _) = accepting(h1).await;
        let scene = bounded(endpoint(Address::Ip(address)), 1);
        let clients: [Rc<UpstreamClient>; 2] = Default::default();
        clients.iter().for_each(answer_calls);
        let [busy, other] = clients.map(|client| Worker { client, scene: &scene });
        let done = Notify::new();
        let hammer = async {
            let always = join_all((0..4).map(|_| async {
                loop {
                    assert_eq!(busy.get().await, "hello");
                    yield_now().await;
                }
            }));
            tokio::select! { _ = always => {}, () = done.notified() => {} }
        };
        let ask = async {
            for _ in 0..3 {
                assert_eq!(tokio::time::timeout(Duration::from_secs(2), other.get()).await.unwrap(), "hello");
            }
            done.notify_one();
        };
        tokio::join!(hammer, ask);
        [busy, other].iter().for_each(|worker| worker.client.close_idle());
        assert_nothing_is_left(scene.pool.circuit());
    });
}

#[test]
fn what_its_endpoint_closes_is_not_handed_on() {
    on_a_worker(async {
        let (address, connections) = accepting(|mut io, _| async move {
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                if io.read_buf(&mut read).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let _ = io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        })
        .await;
        let scene = bounded(endpoint(Address::Ip(address)), 1);
        for answer in join_all((0..6).map(|_| scene.get())).await {
            // Its end may cross a request, which is told then that it met a connection's end.
            match answer {
                Ok(answer) => assert_eq!(answer, "hello"),
                Err(failure) => assert!(format!("{failure:?}").contains("reused: true"), "{failure:?}"),
            }
        }
        assert!(connections.get() > 1);
        scene.client.close_idle();
        assert_nothing_is_left(scene.pool.circuit());
    });
}

/// One worker of several that share a pool.
struct Worker<'s> {
    client: Rc<UpstreamClient>,
    scene: &'s Scene,
}

impl Worker<'_> {
    async fn get(&self) -> String {
        body_of(self.scene.send_by(&self.client, None, get()).await.unwrap()).await.unwrap()
    }
}
