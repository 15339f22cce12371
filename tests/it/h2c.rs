//! HTTP/2 with prior knowledge on the same listener.

use std::process::Command;

use futures_util::future::join_all;

use crate::harness::{ACME, Gate, H2Client, Origin, block_on, config, eventually_async, fingerprint, read};

#[test]
fn a_request_over_http_2_reaches_the_origin_as_http_1() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let response = block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        client.get(ACME, "/path?q=1").await.unwrap()
    });
    assert_eq!(response.status, 200);
    let seen = origin.last_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/path?q=1"));
    assert_eq!((seen.header("host"), seen.header("x-tenant-id")), (Some(ACME), Some("acme")));
    assert_eq!(seen.all("transfer-encoding").len() + seen.all("content-length").len(), 0);
    assert!(!response.headers.contains_key("connection"), "{:?}", response.headers);
}

#[test]
fn curl_speaks_it() {
    let origin = Origin::saying("hello");
    let gateway = config().to(&origin).start();
    let output = Command::new("curl")
        .args(["--http2-prior-knowledge", "-sS", "--max-time", "10", "-w", " %{http_version} %{http_code}"])
        .args(["-H", &format!("Host: {ACME}"), &format!("http://{}/", gateway.address())])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "hello 2 200", "{err}");
}

#[test]
fn many_streams_share_a_connection() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |request, peer| {
        held.pass();
        let length = request.target.len();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", request.target));
    });
    let gateway = config().to(&origin).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let paths: Vec<_> = (0..64).map(|i| format!("/{i}")).collect();
        let asked = join_all(paths.iter().map(|path| client.get(ACME, path)));
        let opened = async {
            // All of them are at the origin at once before the first is answered.
            eventually_async("all are at the origin", || gate.waiting() == 64).await;
            gate.throw_open();
        };
        let (answers, ()) = tokio::join!(asked, opened);
        for (path, answer) in paths.iter().zip(answers) {
            assert_eq!(String::from_utf8(answer.unwrap().body).unwrap(), *path);
        }
    });
}

#[test]
fn bodies_pass_in_both_directions() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let sent = body.clone();
    let origin = Origin::serving(move |_, peer| {
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len()));
        peer.send(&sent);
    });
    let gateway = config().to(&origin).start();
    let response = block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        client.send(post("/upload"), &body).await.unwrap()
    });
    assert_eq!(fingerprint(&response.body), fingerprint(&body));
    assert_eq!(fingerprint(&origin.last_request().body), fingerprint(&body));
}

#[test]
fn trailers_of_the_origin_reach_the_client() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n",
    );
    let gateway = config().to(&origin).start();
    let response =
        block_on(async { H2Client::connect(gateway.address()).await.get(ACME, "/").await.unwrap() });
    assert_eq!(response.trailers.get("grpc-status").map(|v| v.as_bytes()), Some(&b"0"[..]));
}

#[test]
#[cfg_attr(feature = "hyper-upstream", ignore = "hyper sends only trailers that are announced")]
fn trailers_of_the_client_reach_the_origin() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let answer = block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let mut request = post("/");
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        let (response, mut stream) = client.open(request, false).await.unwrap();
        stream.send_data("body".into(), false).unwrap();
        let trailers = [("x-end", "yes"), ("x-tenant-id", "globex"), ("authorization", "Basic eDp5")];
        let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        stream.send_trailers(trailers.into_iter().collect()).unwrap();
        read(response).await.unwrap()
    });
    assert_eq!(answer.status, 200);
    let seen = origin.last_request();
    assert_eq!((seen.header("te"), seen.body.as_slice()), (Some("trailers"), &b"body"[..]));
    assert_eq!(seen.trailers, [("x-end".to_owned(), "yes".to_owned())]);
}

#[test]
fn a_head_204_and_304_have_no_body_here_either() {
    let origin = Origin::serving(|request, peer| {
        let answer = match request.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        };
        peer.send(answer);
    });
    let gateway = config().to(&origin).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let head = http::Request::head(format!("http://{ACME}/")).body(()).unwrap();
        let head = client.send(head, &[]).await.unwrap();
        assert_eq!((head.status.as_u16(), &head.headers["content-length"]), (200, &"9".parse().unwrap()));
        for (path, status) in [("/204", 204), ("/304", 304)] {
            let answer = client.get(ACME, path).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        }
    });
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_host_that_differs_from_the_authority_is_refused() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let request = http::Request::get(format!("http://{ACME}/")).header("host", "globex.app.test");
    let response = block_on(async {
        H2Client::connect(gateway.address()).await.send(request.body(()).unwrap(), &[]).await
    });
    assert_eq!(response.unwrap().status, 400);
    origin.assert_untouched();
}

#[test]
fn a_host_equal_to_the_authority_is_fine_and_sent_once() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let request = http::Request::get(format!("http://{ACME}/")).header("host", ACME);
    let response = block_on(async {
        H2Client::connect(gateway.address()).await.send(request.body(()).unwrap(), &[]).await
    });
    assert_eq!(response.unwrap().status, 200);
    assert_eq!(origin.last_request().header("host"), Some(ACME));
}

#[test]
fn two_hosts_are_refused() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let request = http::Request::get(format!("http://{ACME}/")).header("host", ACME).header("host", ACME);
    let response = block_on(async {
        H2Client::connect(gateway.address()).await.send(request.body(()).unwrap(), &[]).await
    });
    assert!(response.is_err() || response.is_ok_and(|response| response.status == 400));
    origin.assert_untouched();
}

#[test]
fn lengths_that_differ_are_refused() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let request = post("/").map(|()| ());
    let (mut head, ()) = request.into_parts();
    head.headers.append("content-length", "4".parse().unwrap());
    head.headers.append("content-length", "5".parse().unwrap());
    let request = http::Request::from_parts(head, ());
    let response =
        block_on(async { H2Client::connect(gateway.address()).await.send(request, b"body").await });
    assert!(response.is_err() || response.is_ok_and(|response| response.status == 400));
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
}

#[test]
fn cookie_crumbs_are_joined() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let request =
        http::Request::get(format!("http://{ACME}/")).header("cookie", "a=1").header("cookie", "b=2");
    let response = block_on(async {
        H2Client::connect(gateway.address()).await.send(request.body(()).unwrap(), &[]).await
    });
    assert_eq!(response.unwrap().status, 200);
    assert_eq!(origin.last_request().header("cookie"), Some("a=1; b=2"), "RFC 9113, 8.2.3");
}

#[test]
fn a_get_with_a_body_keeps_it() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let request = http::Request::get(format!("http://{ACME}/")).body(()).unwrap();
    let response =
        block_on(async { H2Client::connect(gateway.address()).await.send(request, b"body").await });
    assert_eq!(response.unwrap().status, 200);
    assert_eq!(origin.last_request().body, b"body", "DATA of a GET is not dropped silently");
}

#[test]
fn a_refusal_is_a_problem_here_too() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    let response = block_on(async {
        H2Client::connect(gateway.address()).await.get("nobody.example.test", "/").await.unwrap()
    });
    assert_eq!((response.status.as_u16(), response.code().as_str()), (404, "unknown_tenant"));
    assert_eq!(response.headers["content-type"], "application/problem+json");
}

#[test]
fn a_broken_upstream_body_resets_the_stream_and_not_the_connection() {
    let origin = Origin::on_request(|request, mut peer| {
        if request.target == "/cut" {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        } else {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let gateway = config().to(&origin).start();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        assert!(client.get(ACME, "/cut").await.is_err(), "a cut body must not look complete");
        assert_eq!(client.get(ACME, "/whole").await.unwrap().body, b"ok");
    });
}

fn post(path: &str) -> http::Request<()> {
    http::Request::post(format!("http://{ACME}{path}")).body(()).unwrap()
}
