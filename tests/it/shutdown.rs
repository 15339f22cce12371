//! The end: in-flight requests finish, nothing new begins.

use crate::harness::{
    ACME, Client, Gate, H2Client, Origin, Process, Silence, block_on, config, eventually, eventually_async,
    get,
};

/// An origin that answers when the gate lets it.
fn gated(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::serving(move |_, peer| {
        gate.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    })
}

/// A request that waits at the gate of its origin.
#[track_caller]
fn in_flight(process: &Process, gate: &Gate) -> Client {
    let mut client = process.connect();
    client.send(get(ACME, "/").bytes());
    eventually("the request is in flight", || gate.waiting() == 1);
    client
}

/// Waits until the listener takes no connection: it is closed, or closes whatever comes.
#[track_caller]
fn no_longer_accepts(address: std::net::SocketAddr) {
    eventually("connections are refused", || match Client::try_connect(address) {
        Err(_) => true,
        Ok(mut client) => {
            client.send(get(ACME, "/").bytes());
            client.patience(std::time::Duration::from_millis(50));
            matches!(client.response_head(), Err(Silence::Closed | Silence::Reset))
        }
    });
}

#[test]
fn sigterm_lets_requests_finish_and_exits_0() {
    let gate = Gate::shut();
    let origin = gated(&gate);
    let mut process = config().to(&origin).spawn();
    let address = process.address();
    let mut client = in_flight(&process, &gate);
    process.signal("TERM");
    no_longer_accepts(address);
    assert!(process.is_running(), "it waits for the request");
    gate.throw_open();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    assert!(answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")));
    client.assert_closed();
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn sigterm_ends_idle_connections_and_an_idle_process_at_once() {
    let origin = Origin::saying("ok");
    let mut process = config().to(&origin).set("limits", "{ drain: 60s }").spawn();
    let mut client = process.connect();
    client.ask(&get(ACME, "/")).assert_status(200);
    let mut silent = process.connect();
    process.signal("TERM");
    client.assert_closed();
    silent.assert_closed();
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn sigint_drains_too() {
    let origin = Origin::saying("ok");
    let mut process = config().to(&origin).spawn();
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn readiness_ends_with_the_drain_and_liveness_does_not() {
    let gate = Gate::shut();
    let origin = gated(&gate);
    let mut process = config().to(&origin).spawn();
    let mut client = in_flight(&process, &gate);
    let admin = process.admin_address();
    Client::connect(admin).ask(&get("admin", "/readyz")).assert_status(200);
    process.signal("TERM");
    eventually("it is no longer ready", || {
        Client::connect(admin).ask(&get("admin", "/readyz")).status == 503
    });
    Client::connect(admin).ask(&get("admin", "/livez")).assert_status(200);
    gate.throw_open();
    client.answer().assert_status(200);
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let gate = Gate::shut();
    let origin = gated(&gate);
    let mut process = config().to(&origin).set("limits", "{ drain: 600s }").spawn();
    let address = process.address();
    let mut client = in_flight(&process, &gate);
    process.signal("TERM");
    no_longer_accepts(address);
    assert!(process.is_running());
    process.signal("TERM");
    process.wait();
    assert_ne!(client.drain(), Silence::Deadline);
    gate.throw_open();
}

#[test]
fn the_drain_has_a_deadline() {
    let gate = Gate::shut();
    let origin = gated(&gate);
    let mut process = config().to(&origin).set("limits", "{ drain: 300ms }").spawn();
    let mut client = in_flight(&process, &gate);
    process.signal("TERM");
    assert_ne!(client.drain(), Silence::Deadline);
    process.wait();
    gate.throw_open();
}

#[test]
fn http_2_is_told_to_go_away_and_finishes_its_streams() {
    let gate = Gate::shut();
    let origin = gated(&gate);
    let gateway = config().to(&origin).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let asked = client.get(ACME, "/");
        let drained = async {
            eventually_async("the request is in flight", || gate.waiting() == 1).await;
            gateway.drain();
            client.told_to_go_away().await;
            gate.throw_open();
        };
        let (answer, ()) = tokio::join!(asked, drained);
        assert_eq!(answer.unwrap().body, b"done");
        client.closed().await.unwrap();
    });
    gateway.wait();
}

#[test]
fn a_gateway_in_process_drains_and_returns() {
    let origin = Origin::saying("ok");
    let gateway = config().to(&origin).start();
    let address = gateway.address();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway.drain();
    no_longer_accepts(address);
    gateway.wait();
}

#[test]
fn what_the_end_cuts_is_not_logged_as_the_clients_doing() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, _| {
        held.pass();
    });
    let gateway = config().to(&origin).set("limits", "{ drain: 100ms }").start();
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    eventually("the request is at the origin", || gate.waiting() == 1);
    gateway.drain();
    let entry = gateway.access_log(1).remove(0);
    gate.throw_open();
    assert_eq!((&entry["status"], &entry["code"]), (&503.into(), &"draining".into()), "{entry}");
}
