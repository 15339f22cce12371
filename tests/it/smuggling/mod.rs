//! Requests that two parsers could read differently, said byte by byte. Each is refused and its
//! connection closed, and an origin that records every byte must have seen none of it.

mod chunks;
mod framing;
mod heads;
mod targets;

use crate::harness::{ACME, Client, Origin, Silence, TestGateway, config, get};

/// A gateway that has never bothered its origin.
struct Stage {
    origin: Origin,
    gateway: TestGateway,
}

impl Stage {
    fn new() -> Self {
        let origin = Origin::echo();
        let gateway = config().to(&origin).start();
        Self { origin, gateway }
    }

    /// Asserts that each of these is refused with one of these statuses, as a problem, and its
    /// connection closed; names all that are not.
    #[track_caller]
    fn refuses<T: AsRef<[u8]>>(&self, statuses: &[u16], table: impl IntoIterator<Item = T>) {
        let mut faults = Vec::new();
        for bytes in table {
            let seen_before = self.origin.received().concat().len();
            let mut client = self.gateway.connect();
            client.send(bytes.as_ref());
            let shown = shorten(&String::from_utf8_lossy(bytes.as_ref()));
            if let Err(fault) = refusal(&mut client, statuses) {
                faults.push(format!("{shown:?}: {fault}"));
            }
            let seen = self.origin.received().concat();
            if seen.len() > seen_before {
                faults.push(format!("{shown:?} reached the origin"));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// How many requests are in the gateway.
    fn in_flight(&self) -> f64 {
        self.gateway.metric("tollgate_requests_in_flight", &[])
    }

    /// Asserts that each of these is served, as the control of a table of refusals.
    #[track_caller]
    fn serves<T: AsRef<[u8]>>(&self, table: impl IntoIterator<Item = T>) {
        for bytes in table {
            let shown = shorten(&String::from_utf8_lossy(bytes.as_ref()));
            let mut client = self.gateway.connect();
            client.send(bytes);
            let answer = client.answer();
            assert_eq!(answer.status, 200, "{shown:?}: {answer:?}");
        }
    }
}

/// Reads a refusal and the end of its connection; what is wrong with them otherwise.
fn refusal(client: &mut Client, statuses: &[u16]) -> Result<(), String> {
    let answer = client.response(false).map_err(|silence| format!("no answer, {silence:?}"))?;
    if !statuses.contains(&answer.status) {
        return Err(format!("{} instead of {statuses:?}", answer.status));
    }
    if answer.code().is_empty() {
        return Err(format!("{} that is no problem: {:?}", answer.status, answer.headers));
    }
    match client.drain() {
        Silence::Deadline => Err("the connection was left open".to_owned()),
        Silence::Closed | Silence::Reset => Ok(()),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A GET with these field lines after its Host, each with its line end.
fn get_with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n{lines}\r\n")
}

/// A POST with these field lines after its Host, and what follows the head.
fn post_with(lines: &str, rest: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: {ACME}\r\n{lines}\r\n\r\n{rest}")
}

#[test]
fn a_good_request_before_a_bad_one_is_answered_first() {
    let stage = Stage::new();
    let good = String::from_utf8(get(ACME, "/good").bytes()).unwrap();
    let mut client = stage.gateway.connect();
    client
        .send(format!("{good}{}", post_with("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")));
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 400);
    client.assert_closed();
    let requests = stage.origin.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/good");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    let together: Vec<u8> = (0..20).flat_map(|nth| get(ACME, &format!("/{nth}")).bytes()).collect();
    client.send(together);
    for nth in 0..20 {
        assert_eq!(client.answer().json()["target"], format!("/{nth}"));
    }
}

#[test]
fn a_body_that_looks_like_a_request_stays_a_body() {
    let stage = Stage::new();
    let hidden = String::from_utf8(get(ACME, "/hidden").bytes()).unwrap();
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        let mut client = stage.gateway.connect();
        let length = hidden.len();
        client
            .send(format!("{method} / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {length}\r\n\r\n{hidden}"));
        assert_eq!(client.answer().status, 200, "{method}");
        assert_eq!(stage.origin.last_request().body, hidden.as_bytes(), "{method}");
    }
    assert!(stage.origin.requests().iter().all(|request| request.target == "/"));
}

#[test]
fn a_refused_request_does_not_leave_its_body_to_be_read_as_the_next() {
    let stage = Stage::new();
    let hidden = String::from_utf8(get(ACME, "/hidden").bytes()).unwrap();
    let mut client = stage.gateway.connect();
    let length = hidden.len();
    client.send(format!("POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: {length}\r\n\r\n{hidden}"));
    assert_eq!(client.answer().status, 404);
    client.finish_sending();
    assert_ne!(client.drain(), Silence::Deadline);
    stage.origin.assert_untouched();
}

#[test]
fn an_answered_upload_does_not_leave_its_rest_to_be_read_as_the_next() {
    let origin = Origin::on_connection(|_, mut peer| {
        peer.request_head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        peer.drain();
    });
    let gateway = config().to(&origin).start();
    let mut client: Client = gateway.connect();
    let hidden = String::from_utf8(get(ACME, "/hidden").bytes()).unwrap();
    let length = hidden.len() + 4;
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {length}\r\n\r\nbody"));
    assert_eq!(client.answer().status, 200);
    client.send(&hidden);
    client.finish_sending();
    assert_ne!(client.drain(), Silence::Deadline);
    let received = String::from_utf8_lossy(&origin.received().concat()).into_owned();
    let heads = received.matches("HTTP/1.1\r\n").count();
    assert!(heads <= 2 && origin.connections() == 1, "{received}");
}
