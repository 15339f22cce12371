//! Bodies in both directions: whole, framed anew, streamed, and never held in memory.

use crate::harness::{ACME, Ending, Origin, config, fingerprint, get, post, request};

const MIB: usize = 1 << 20;

fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

#[test]
fn a_body_with_a_length_keeps_it() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&post(ACME, "/", b"hello")).assert_status(200);
    let seen = origin.last_request();
    assert_eq!((seen.header("content-length"), seen.all("transfer-encoding").len()), (Some("5"), 0));
    assert_eq!(seen.body, b"hello");
}

#[test]
fn an_empty_body_stays_empty() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&post(ACME, "/", b"")).assert_status(200);
    assert_eq!(origin.last_request().header("content-length"), Some("0"));
    gateway.ask(&request("POST", ACME, "/").chunks(&[])).assert_status(200);
    assert_eq!(origin.last_request().body, b"");
    gateway.ask(&get(ACME, "/")).assert_status(200);
    let seen = origin.last_request();
    assert_eq!(seen.all("content-length").len() + seen.all("transfer-encoding").len(), 0);
}

#[test]
fn chunks_pass_in_both_directions() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    );
    let gateway = config().to(&origin).start();
    let response = gateway.ask(&request("POST", ACME, "/").chunks(&[b"one ", b"two ", b"three"]));
    assert_eq!((response.text().as_str(), &response.ending), ("abcdefg", &Ending::Complete));
    let seen = origin.last_request();
    assert_eq!(seen.body, b"one two three");
    assert_eq!(seen.all("transfer-encoding"), ["chunked"]);
}

#[test]
fn ten_mebibytes_pass_in_both_directions_unharmed() {
    let body = noise(10 * MIB);
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    let origin = Origin::answering(answer);
    let gateway = config().to(&origin).start();
    let pieces: Vec<&[u8]> = body.chunks(100_001).collect();
    for message in [post(ACME, "/", &body), request("POST", ACME, "/").chunks(&pieces)] {
        let response = gateway.ask(&message);
        assert_eq!(response.ending, Ending::Complete);
        assert_eq!(fingerprint(&response.body), fingerprint(&body));
        assert_eq!(fingerprint(&origin.last_request().body), fingerprint(&body));
    }
}

#[test]
#[cfg_attr(feature = "hyper-upstream", ignore = "hyper reads only trailers that are announced")]
fn trailers_of_answers_are_for_who_asks_for_them() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for (te, trailers) in [("trailers", 1), ("gzip", 0)] {
        let response = client.ask(&get(ACME, "/").header("TE", te));
        assert_eq!((response.text().as_str(), response.trailers.len()), ("ok", trailers), "{te}");
    }
}

#[test]
fn trailers_pass_in_both_directions() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let gateway = config().to(&origin).start();
    let message = request("POST", ACME, "/")
        .header("TE", "trailers")
        .header("Trailer", "X-End")
        .chunks_and_trailers(&[b"body"], "X-End: yes\r\n");
    let response = gateway.ask(&message);
    let trailers: Vec<_> = response.trailers.into_iter().map(lower).collect();
    assert_eq!(trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let trailers: Vec<_> = origin.last_request().trailers.into_iter().map(lower).collect();
    assert_eq!(trailers, [("x-end".to_owned(), "yes".to_owned())]);
}

fn lower((name, value): (String, String)) -> (String, String) {
    (name.to_lowercase(), value)
}

#[test]
fn a_head_204_and_304_have_no_body_and_the_connection_goes_on() {
    let origin = Origin::serving(|request, peer| {
        let answer = match request.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 9\r\n\r\n",
            _ if request.method == "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        peer.send(answer);
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let head = client.ask(&request("HEAD", ACME, "/"));
    assert_eq!((head.status, head.header("content-length")), (200, Some("9")));
    let empty = client.ask(&get(ACME, "/204"));
    assert_eq!((empty.status, empty.all("content-length").len()), (204, 0), "RFC 9110, 8.6");
    assert_eq!(empty.all("transfer-encoding").len(), 0);
    let unchanged = client.ask(&get(ACME, "/304"));
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some("\"1\"")));
    assert_eq!(client.ask(&get(ACME, "/")).text(), "ok");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_body_that_ends_with_its_connection_is_passed_on_whole() {
    let origin = Origin::answering_once("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    let gateway = config().to(&origin).start();
    let response = gateway.ask(&get(ACME, "/"));
    assert_eq!(response.text(), "until the end");
    response.assert_status(200);
}

#[test]
fn a_client_of_http_1_0_is_served() {
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("GET /old HTTP/1.0\r\nHost: {ACME}\r\n\r\n"));
    let response = client.answer();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert_eq!(response.all("transfer-encoding").len(), 0, "it doesn't know chunks");
    client.assert_closed();
    assert_eq!(origin.last_request().version, "HTTP/1.1");

    let mut client = gateway.connect();
    client.send(format!("POST /old HTTP/1.0\r\nHost: {ACME}\r\nContent-Length: 2\r\n\r\nhi"));
    client.answer().assert_status(200);
    assert_eq!(origin.last_request().body, b"hi");
}

#[test]
fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let origin = Origin::on_connection(|_, mut peer| {
        let mut request = peer.request_head().unwrap();
        // Whether the gateway relays the expectation or meets it itself, both must work.
        if request.header("expect").is_some() {
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        peer.request_body(&mut request).unwrap();
        assert_eq!(request.body, b"body");
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.response(false).map(|response| response.status), Ok(100));
    client.send("body");
    let response = client.answer();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
}

#[test]
fn a_refused_request_is_not_asked_for_its_body() {
    let origin = Origin::echo();
    let plans = "{ free: { request_body: { max: 10B } } }";
    let gateway = config().to(&origin).set("plans", plans).start();
    for (host, length, status) in [("nobody.app.test", 4, 404), (ACME, 11, 413)] {
        let mut client = gateway.connect();
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n");
        client.send(format!("{head}Expect: 100-continue\r\n\r\n"));
        assert_eq!(client.response(false).map(|response| response.status), Ok(status), "no 100 before it");
    }
    origin.assert_untouched();
}

#[test]
fn curl_sends_no_body_that_is_refused() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let ask = |host: &str| {
        let output = std::process::Command::new("curl")
            .args([
                "-sSv",
                "--max-time",
                "10",
                "--expect100-timeout",
                "9",
                "-o",
                "/dev/null",
                "-w",
                "%{size_upload}",
            ])
            .args(["-H", "Expect: 100-continue", "-d", "body", "-H", &format!("Host: {host}")])
            .arg(format!("http://{}/", gateway.address()))
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (sent, said) = ask(ACME);
    assert!(sent == "4" && said.contains("HTTP/1.1 100 Continue"), "{sent} {said}");
    let (sent, said) = ask("nobody.app.test");
    assert!(sent == "0" && said.contains("HTTP/1.1 404") && !said.contains("HTTP/1.1 100"), "{sent} {said}");
}

#[test]
#[cfg_attr(feature = "hyper-upstream", ignore = "hyper sends only trailers that are announced")]
fn trailers_can_not_say_what_only_a_head_may() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum, Set-Cookie, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let gateway = config().to(&origin).start();
    let forbidden = "Host: globex.app.test\r\nX-Tenant-Id: globex\r\nX_Tenant_Id: globex\r\nX-End: yes\r\n\
                     Authorization: Basic eDp5\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 7\r\n";
    let message =
        request("POST", ACME, "/").header("TE", "trailers").chunks_and_trailers(&[b"body"], forbidden);
    let response = gateway.ask(&message);
    let names = |trailers: Vec<(String, String)>| -> Vec<String> {
        trailers.into_iter().map(|trailer| lower(trailer).0).collect()
    };
    assert_eq!(names(response.trailers), ["x-sum"]);
    assert_eq!(names(origin.last_request().trailers), ["x-end"]);
}

#[test]
fn an_answer_before_the_end_of_the_upload_reaches_the_client() {
    let origin = Origin::on_connection(|_, mut peer| {
        peer.request_head();
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        peer.drain();
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 1000000\r\n\r\npart"));
    let response = client.answer();
    assert_eq!((response.status, response.text().as_str()), (413, "big"));
}

#[test]
fn a_client_of_http_1_0_may_keep_its_connection() {
    let origin = Origin::saying("ok");
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send(format!("GET / HTTP/1.0\r\nHost: {ACME}\r\nConnection: keep-alive\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
}
