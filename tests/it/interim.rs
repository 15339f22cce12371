//! Interim responses of the origin: 103 (Early Hints) and its like.

use crate::harness::{ACME, Gate, H2Client, Origin, block_on, config, get};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: y\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn early_hints_come_before_the_answer_is_there() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        peer.send(HINT);
        held.pass();
        peer.send(OK);
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send(get(ACME, "/").bytes());
        let hint = client.response_head().unwrap();
        assert_eq!((hint.status, hint.header("link")), (103, Some("</a.css>; rel=preload")));
        assert_eq!((hint.header("connection"), hint.header("x")), (None, None), "they are of the hop");
        gate.open();
        assert_eq!(client.answer().text(), "ok");
    }
}

#[test]
fn every_answer_of_a_pipeline_has_its_own_hints() {
    let origin = Origin::serving(|request, peer| {
        let nth = &request.target[1..];
        peer.send(format!("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: {nth}\r\n\r\n"));
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{nth}", nth.len()));
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let all: Vec<u8> = (0..20).flat_map(|nth| get(ACME, &format!("/{nth}")).bytes()).collect();
    client.send(all);
    for nth in 0..20 {
        assert_eq!(client.response_head().unwrap().status, 102);
        let hint = client.response_head().unwrap();
        assert_eq!((hint.status, hint.header("link")), (103, Some(nth.to_string().as_str())));
        assert_eq!(client.answer().text(), nth.to_string());
    }
}

#[test]
fn who_can_not_be_told_goes_without() {
    let origin = Origin::answering(format!("HTTP/1.1 100 Continue\r\n\r\n{HINT}{OK}"));
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("GET / HTTP/1.0\r\nHost: {ACME}\r\n\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "HTTP/1.0 knows none");
    let answer = block_on(async { H2Client::connect(gateway.address()).await.get(ACME, "/").await.unwrap() });
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, &b"ok"[..]));
}
