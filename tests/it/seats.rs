//! A pool's seats: who waits, for how long, and who comes next.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    ACME, Client, Config, GLOBEX, Gate, Origin, TestGateway, block_on, config, eventually, eventually_async,
    get, websocket, websocket_echo,
};

/// An origin that answers when the gate lets it.
fn seats(origin: &Origin, limit: u32) -> Config {
    config().pool("shared", &[origin.address()], &format!("concurrency: {{ limit: {limit} }}"))
}

#[track_caller]
fn wait_until_queued(gateway: &TestGateway, tenant: &str, waiting: f64) {
    eventually("so many wait", || {
        gateway.metric("tollgate_queue_depth", &[("tenant", tenant), ("pool", "shared")]) == waiting
    });
}

#[test]
fn a_request_waits_for_a_seat_and_gets_it_when_one_is_free() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = seats(&origin, 1).start();
    let mut first = gateway.asking(&get(ACME, "/first"));
    eventually("it is being served", || gate.waiting() == 1);
    let mut second = gateway.asking(&get(ACME, "/second"));
    wait_until_queued(&gateway, "acme", 1.0);
    assert_eq!(origin.requests().len(), 1, "nothing of it has gone upstream");
    assert_eq!(gateway.metric("tollgate_requests_in_flight", &[("tenant", "acme")]), 1.0);
    gate.throw_open();
    first.answer().assert_status(200);
    second.answer().assert_status(200);
    eventually("all is given back", || {
        gateway.metric("tollgate_pool_seats_in_use", &[("pool", "shared")]) == 0.0
    });
    assert_eq!(gateway.metric("tollgate_pool_seats", &[("pool", "shared")]), 1.0);
    assert_eq!(gateway.metric("tollgate_queue_wait_seconds_count", &[("tenant", "acme")]), 1.0);
    let log = gateway.access_log(2);
    let of =
        |path: &str| log.iter().find(|entry| entry["path"] == path).unwrap()["queue_ms"].as_f64().unwrap();
    assert!(of("/first") == 0.0 && of("/second") > 0.0, "{log:?}");
}

#[test]
fn a_freed_seat_goes_to_the_tenant_that_has_had_less_not_to_who_came_first() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = seats(&origin, 1).start();
    let mut greedy: Vec<Client> = vec![gateway.asking(&get(ACME, "/0"))];
    eventually("it is being served", || gate.waiting() == 1);
    for nth in 1..=5 {
        greedy.push(gateway.asking(&get(ACME, &format!("/{nth}"))));
        wait_until_queued(&gateway, "acme", f64::from(nth));
    }
    let mut quiet = gateway.asking(&get(GLOBEX, "/quiet"));
    wait_until_queued(&gateway, "globex", 1.0);
    gate.open();
    greedy[0].answer().assert_status(200);
    gate.open();
    // One of acme's may come between, for neither was charged while nobody waited; five may not.
    gate.open();
    quiet.answer().assert_status(200);
    let quiet_at = origin.requests().iter().position(|request| request.target == "/quiet").unwrap();
    assert!(quiet_at <= 2, "it came {quiet_at}th");
    gate.throw_open();
    greedy[1..].iter_mut().for_each(|client| client.answer().assert_status(200));
}

#[test]
fn the_newest_is_refused_when_its_tenants_queue_is_full() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = seats(&origin, 1).set("plans", "{ free: { concurrency: { queue: 1 } } }").start();
    let mut first = gateway.asking(&get(ACME, "/"));
    eventually("it is being served", || gate.waiting() == 1);
    let mut second = gateway.asking(&get(ACME, "/"));
    wait_until_queued(&gateway, "acme", 1.0);
    let refused = gateway.ask(&get(ACME, "/"));
    refused.assert_refused(429, "concurrency_exceeded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Another tenant has a queue of its own.
    let mut other = gateway.asking(&get(GLOBEX, "/"));
    wait_until_queued(&gateway, "globex", 1.0);
    gate.throw_open();
    for client in [&mut first, &mut second, &mut other] {
        client.answer().assert_status(200);
    }
}

#[test]
fn patience_ends_with_503_when_the_pool_is_full_and_with_429_when_the_tenant_is() {
    for (seats_of_pool, plan, status, code) in [
        (1, "{ max_wait: 20ms }", 503, "no_capacity"),
        (9, "{ max: 1, max_wait: 20ms }", 429, "concurrency_exceeded"),
    ] {
        let gate = Gate::shut();
        let origin = Origin::behind(&gate);
        let plans = format!("{{ free: {{ concurrency: {plan} }} }}");
        let gateway = seats(&origin, seats_of_pool).set("plans", &plans).start();
        let mut held = gateway.asking(&get(ACME, "/"));
        eventually("it is being served", || gate.waiting() == 1);
        let refused = gateway.ask(&get(ACME, "/"));
        refused.assert_refused(status, code);
        assert_eq!(refused.header("retry-after"), Some("1"));
        wait_until_queued(&gateway, "acme", 0.0);
        gate.throw_open();
        held.answer().assert_status(200);
    }
}

#[test]
fn a_tenant_at_its_maximum_waits_and_does_not_hold_up_others() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = seats(&origin, 8).set("plans", "{ free: { concurrency: { max: 1 } } }").start();
    let mut first = gateway.asking(&get(ACME, "/"));
    eventually("it is being served", || gate.waiting() == 1);
    let mut second = gateway.asking(&get(ACME, "/"));
    wait_until_queued(&gateway, "acme", 1.0);
    let mut other = gateway.asking(&get(GLOBEX, "/"));
    eventually("globex is being served", || gate.waiting() == 2);
    gate.throw_open();
    for client in [&mut first, &mut second, &mut other] {
        client.answer().assert_status(200);
    }
}

#[test]
fn a_client_that_goes_away_while_it_waits_leaves_the_queue() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let gateway = seats(&origin, 1).set("plans", "{ free: { concurrency: { max_wait: 1m } } }").start();
    let mut first = gateway.asking(&get(ACME, "/"));
    eventually("it is being served", || gate.waiting() == 1);
    let leaving = gateway.asking(&get(ACME, "/leaving"));
    wait_until_queued(&gateway, "acme", 1.0);
    drop(leaving);
    wait_until_queued(&gateway, "acme", 0.0);
    gate.throw_open();
    first.answer().assert_status(200);
    gateway.ask(&get(ACME, "/next")).assert_status(200);
    assert!(origin.requests().iter().all(|request| request.target != "/leaving"));
    let log = gateway.access_log(3);
    let left = log.iter().find(|entry| entry["path"] == "/leaving").unwrap();
    assert_eq!((&left["status"], &left["code"]), (&499.into(), &"client_closed".into()));
    assert!(left["queue_ms"].as_f64().unwrap() > 0.0, "{left}");
}

#[test]
fn a_reload_adds_and_takes_seats_and_loses_none() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let mut gateway = seats(&origin, 1).start();
    let mut clients: Vec<Client> = (0..4).map(|_| gateway.asking(&get(ACME, "/"))).collect();
    wait_until_queued(&gateway, "acme", 3.0);
    let limit = |config: Config, limit: u32| {
        config.pool("shared", &[origin.address()], &format!("concurrency: {{ limit: {limit} }}"))
    };
    gateway.reload(|config| limit(config, 3)).unwrap();
    eventually("three are being served", || gate.waiting() == 3);
    gateway.reload(|config| limit(config, 1)).unwrap();
    gate.open();
    gate.open();
    eventually("one is left of those in use", || gate.waiting() == 1);
    wait_until_queued(&gateway, "acme", 1.0);
    gate.throw_open();
    clients.iter_mut().for_each(|client| client.answer().assert_status(200));
    // A pool that is gone, and back.
    gateway
        .reload(|config| config.pool("other", &[origin.address()], "").set("default_pool", "other"))
        .unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn a_websocket_gives_its_seat_back_and_streams_have_bounds_of_their_own() {
    block_on(async {
        let (address, _farewells) = websocket_echo().await;
        let more = "concurrency: { limit: 1, streams: { limit: 3, max_per_tenant: 2 } }";
        let gateway = config().pool("shared", &[address], more).start();
        let first = websocket(gateway.address(), ACME).await;
        let mut second = websocket(gateway.address(), ACME).await;
        second.send(Message::text("both are open over a pool of one seat")).await.unwrap();
        assert_eq!(gateway.metric("tollgate_pool_streams", &[("pool", "shared")]), 2.0);
        assert_eq!(gateway.metric("tollgate_pool_seats_in_use", &[("pool", "shared")]), 0.0);
        let upgrade = |host| {
            let upgrade = get(host, "/").header("connection", "upgrade").header("upgrade", "websocket");
            gateway.ask(&upgrade)
        };
        upgrade(ACME).assert_refused(429, "concurrency_exceeded");
        let third = websocket(gateway.address(), GLOBEX).await;
        upgrade(GLOBEX).assert_refused(503, "no_capacity");
        drop((first, second, third));
        eventually_async("the streams have ended", || {
            gateway.metric("tollgate_pool_streams", &[("pool", "shared")]) == 0.0
        })
        .await;
    });
}

#[test]
fn an_event_stream_moves_to_a_seat_of_its_own_when_it_is_old() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |request, peer| {
        if request.target == "/events" {
            peer.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            peer.send_chunk("data: 1\n\n");
            held.pass();
            peer.send("0\r\n\r\n");
        } else {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let more = "concurrency: { limit: 1, stream_after: 100ms }";
    let gateway = config()
        .pool("shared", &[origin.address()], more)
        .set("plans", "{ free: { concurrency: { max_wait: 1m } } }")
        .start();
    let mut events = gateway.asking(&get(ACME, "/events"));
    events.response_head().unwrap();
    // Waits for the only seat until the stream has given it up.
    gateway.ask(&get(GLOBEX, "/")).assert_status(200);
    assert_eq!(gateway.metric("tollgate_pool_streams", &[("pool", "shared")]), 1.0);
    gate.throw_open();
    eventually("the stream has ended", || {
        gateway.metric("tollgate_pool_streams", &[("pool", "shared")]) == 0.0
    });
}
#[test]
fn a_request_that_gets_no_seat_is_not_charged() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let plan = "{ free: { rate_limit: { rate: 10/s, burst: 10 }, concurrency: { max_wait: 20ms } } }";
    let gateway = seats(&origin, 1).set("plans", plan).start();
    let mut held = gateway.asking(&get(ACME, "/"));
    eventually("it is being served", || gate.waiting() == 1);
    for _ in 0..3 {
        let refused = gateway.ask(&get(ACME, "/"));
        refused.assert_refused(503, "no_capacity");
        assert_eq!(refused.header("ratelimit"), Some("\"default\";r=9;t=1"), "only the first is charged");
    }
    gate.throw_open();
    held.answer().assert_status(200);
    assert_eq!(gateway.ask(&get(ACME, "/")).header("ratelimit"), Some("\"default\";r=8;t=1"));
}

#[test]
fn the_api_says_who_holds_what_and_who_waits() {
    let gate = Gate::shut();
    let origin = Origin::behind(&gate);
    let plan = "{ free: { concurrency: { weight: 3, max: 1, queue: 7, max_wait: 1500ms } } }";
    let gateway = seats(&origin, 2).set("plans", plan).start();
    let mut clients = [gateway.asking(&get(ACME, "/")), gateway.asking(&get(ACME, "/"))];
    eventually("one is being served", || gate.waiting() == 1);
    wait_until_queued(&gateway, "acme", 1.0);
    let limits = gateway.admin("/api/v1/tenants/acme/limits").json();
    let concurrency = &limits["concurrency"];
    assert_eq!(concurrency["weight"], 3, "{limits}");
    assert_eq!((&concurrency["max"], &concurrency["queue"]), (&1.into(), &7.into()), "{limits}");
    assert_eq!(concurrency["max_wait_seconds"], 1.5, "{limits}");
    let pool = &concurrency["pools"][0];
    assert_eq!(
        (&pool["pool"], &pool["seats"], &pool["seats_in_use"]),
        (&"shared".into(), &2.into(), &1.into())
    );
    assert_eq!((&pool["held"], &pool["waiting"], &pool["at_max"]), (&1.into(), &1.into(), &true.into()));
    assert_eq!((&limits["in_flight"], &limits["request_body"]["max"]), (&1.into(), &serde_json::Value::Null));
    gate.throw_open();
    clients.iter_mut().for_each(|client| client.answer().assert_status(200));
    let idle = gateway.admin("/api/v1/tenants/globex/limits").json();
    assert_eq!(idle["concurrency"]["pools"], serde_json::json!([]));
    assert_eq!(gateway.admin("/api/v1/tenants/nobody/limits").status, 404);
}

#[test]
fn a_client_that_reads_slowly_keeps_no_seat_of_an_endpoint_that_is_done() {
    let origin = Origin::saying(&"x".repeat(20_000));
    let gateway = seats(&origin, 1).start();
    // None of them reads; the connections stay open.
    let clients: Vec<Client> = (0..5).map(|_| gateway.asking(&get(ACME, "/"))).collect();
    eventually("all have been asked for", || origin.requests().len() == 5);
    drop(clients);
}

#[test]
fn event_streams_beyond_the_bounds_are_refused_and_keep_no_seat() {
    let origin = Origin::serving(|request, peer| {
        if request.target == "/events" {
            peer.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            peer.send_chunk("data: 1\n\n");
            // Until the gateway ends it.
            while peer.fill().is_ok() {}
        } else {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let more = "concurrency: { limit: 2, stream_after: 50ms, streams: { limit: 3, max_per_tenant: 2 } }";
    let gateway = config()
        .pool("shared", &[origin.address()], more)
        .set("plans", "{ free: { concurrency: { max_wait: 1m } } }")
        .start();
    let mut streams: Vec<Client> = Vec::new();
    for _ in 0..2 {
        streams.push(gateway.asking(&get(ACME, "/events")));
        assert_eq!(streams.last_mut().unwrap().response_head().unwrap().status, 200);
    }
    gateway.ask(&get(ACME, "/events")).assert_refused(429, "concurrency_exceeded");
    let mut other = gateway.asking(&get(GLOBEX, "/events"));
    assert_eq!(other.response_head().unwrap().status, 200);
    gateway.ask(&get(GLOBEX, "/events")).assert_refused(503, "no_capacity");
    assert_eq!(gateway.metric("tollgate_pool_streams", &[("pool", "shared")]), 3.0);
    // None of them has kept a seat for long.
    gateway.ask(&get(GLOBEX, "/")).assert_status(200);
    drop((streams, other));
    eventually("all is given back", || {
        gateway.metric("tollgate_pool_streams", &[("pool", "shared")]) == 0.0
            && gateway.metric("tollgate_pool_seats_in_use", &[("pool", "shared")]) == 0.0
    });
}
