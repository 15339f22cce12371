//! A whole gateway in front of endpoints that speak HTTP/2.

mod endings;
mod websockets;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::server::Builder;
use http::{HeaderMap, Request, Response};

use crate::harness::{
    ACME, H2Client, H2Origin, Respond, TestGateway, block_on, config, fingerprint, get, post, read_request,
    request, say,
};
use crate::transports::tls::{Authority, acceptor, offering};

/// A gateway whose one pool speaks HTTP/2 to these.
fn before(origins: &[&H2Origin]) -> TestGateway {
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address()).collect();
    config().pool("shared", &addresses, "protocol: h2, load_balancing: round_robin").start()
}

fn ask_post(path: &str) -> Request<()> {
    Request::post(format!("http://{ACME}{path}")).body(()).unwrap()
}

#[test]
fn what_clients_ask_arrives_and_is_answered_over_one_connection() {
    let origin = H2Origin::serving(Builder::new(), async |request, respond| {
        let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (tenant, via) = (field("x-tenant-id").unwrap(), field("via").unwrap());
        assert!(["host", "connection", "transfer-encoding"].iter().all(|name| field(name).is_none()));
        let uri = request.uri().clone();
        let (body, _) = read_request(&mut request.into_body()).await;
        say(respond, &format!("{uri} {tenant} {via} {}", body.len()));
    });
    let gateway = before(&[&origin]);
    let mut client = gateway.connect();
    let expected = format!("http://{ACME}/a?b=c acme 1.1 tollgate");
    assert_eq!(client.ask(&get(ACME, "/a?b=c")).text(), format!("{expected} 0"));
    assert_eq!(client.ask(&post(ACME, "/a?b=c", b"body")).text(), format!("{expected} 4"));
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        for answer in join_all((0..50).map(|_| client.get(ACME, "/many"))).await {
            assert_eq!(answer.unwrap().body, format!("http://{ACME}/many acme 2 tollgate 0").as_bytes());
        }
    });
    assert_eq!((origin.connections(), origin.requests()), (1, 52));
    let open = gateway.metric("tollgate_upstream_connections", &[("pool", "shared")]);
    assert!((open - 1.0).abs() < f64::EPSILON, "{open}");
}

#[test]
fn over_tls_the_endpoint_chooses_it_unless_told_otherwise() {
    let authority = Authority::new();
    let plain = acceptor(&authority, "127.0.0.1", None);
    let origin = H2Origin::secure(offering(&plain, &[b"h2"]), async |request, respond| {
        say(respond, request.uri().scheme_str().unwrap());
    });
    let config = config().file("ca.pem", &authority.pem);
    let url = [format!("https://{}", origin.address())];
    let mut gateway = config.pool_at("shared", &url, "tls: { ca: ca.pem }").start();
    for _ in 0..3 {
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "https");
    }
    let asked = block_on(async { H2Client::connect(gateway.address()).await.get(ACME, "/").await.unwrap() });
    assert_eq!(asked.body, b"https");
    assert_eq!(origin.connections(), 1);
    gateway.reload(|c| c.pool_at("shared", &url, "tls: { ca: ca.pem }, protocol: h2")).unwrap();
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "https");
    assert_eq!(origin.connections(), 2, "another protocol is another endpoint");
    gateway.reload(|c| c.pool_at("shared", &url, "tls: { ca: ca.pem }, protocol: http1")).unwrap();
    gateway.ask(&get(ACME, "/")).assert_refused(502, "upstream_connect");
}

#[test]
fn a_unix_socket_may_carry_it_too() {
    use crate::transports::cover::Cover;
    let dir = tempfile::tempdir().unwrap();
    let origin = H2Origin::saying("hello");
    let cover = Cover::unix(origin.address(), &dir.path().join("app.sock"));
    let gateway = config().pool_at("shared", std::slice::from_ref(&cover.url), "protocol: h2").start();
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "hello");
}

/// Says back what comes, as it comes, and the trailers with it.
async fn echo(request: Request<h2::RecvStream>, mut respond: Respond) {
    let mut answer = respond.send_response(Response::new(()), false).unwrap();
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        let mut rest = data;
        while !rest.is_empty() {
            answer.reserve_capacity(rest.len());
            let Some(Ok(room)) = std::future::poll_fn(|cx| answer.poll_capacity(cx)).await else { return };
            answer.send_data(rest.split_to(room.min(rest.len())), false).unwrap();
        }
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let is_trim = |value: &http::HeaderValue| value.as_bytes().trim_ascii() == value.as_bytes();
    assert!(
        trailers.values().all(is_trim),
        "others end the connection for it (RFC 9113 §8.2.1): {trailers:?}"
    );
    let _ = answer.send_trailers(trailers);
}

#[test]
fn bodies_and_trailers_pass_both_ways_at_once() {
    let origin = H2Origin::serving(Builder::new(), echo);
    let gateway = before(&[&origin]);
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let mut asked = ask_post("/");
        asked.headers_mut().insert("te", "trailers".parse().unwrap());
        let (response, mut up) = client.open(asked, false).await.unwrap();
        // A ball is thrown and caught before the rest: neither side waits for the other's end.
        up.send_data(Bytes::from_static(b"ball"), false).unwrap();
        let (head, mut down) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(down.data().await.unwrap().unwrap(), "ball");
        down.flow_control().release_capacity(4).unwrap();
        let sent = async {
            for piece in body.chunks(100_000) {
                let mut rest = Bytes::copy_from_slice(piece);
                while !rest.is_empty() {
                    up.reserve_capacity(rest.len());
                    let room = std::future::poll_fn(|cx| up.poll_capacity(cx)).await.unwrap().unwrap();
                    up.send_data(rest.split_to(room.min(rest.len())), false).unwrap();
                }
            }
            let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), " 7\t".parse().unwrap())]);
            up.send_trailers(trailers).unwrap();
        };
        let (_, (got, trailers)) = tokio::join!(sent, read_request(&mut down));
        assert_eq!(fingerprint(&got), fingerprint(&body));
        assert_eq!(trailers.unwrap()["x-sum"], "7");
    });
    let chunked = request("POST", ACME, "/").header("Transfer-Encoding", "chunked").header("TE", "trailers");
    let mut client = gateway.connect();
    client.send(chunked.bytes());
    client.send_chunk("ball");
    assert_eq!(client.response_head().unwrap().status, 200);
    assert_eq!(client.chunk().unwrap(), b"ball");
    client.send_chunk("again");
    assert_eq!(client.chunk().unwrap(), b"again");
    client.send("0\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn early_hints_reach_clients_of_http_1() {
    let origin = H2Origin::serving(Builder::new(), async |_, mut respond: Respond| {
        let hint = Response::builder().status(103).header("link", "</a.css>; rel=preload").body(()).unwrap();
        respond.send_informational(hint).unwrap();
        say(respond, "ok");
    });
    let gateway = before(&[&origin]);
    let mut client = gateway.connect();
    client.send(get(ACME, "/").bytes());
    let hint = client.response_head().unwrap();
    assert_eq!((hint.status, hint.header("link")), (103, Some("</a.css>; rel=preload")));
    assert_eq!(client.answer().text(), "ok");
}

#[test]
fn no_endpoint_is_asked_for_more_at_a_time_than_it_allows() {
    let mut three = Builder::new();
    three.max_concurrent_streams(3);
    let origin = H2Origin::serving(three, async |_, respond| {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        say(respond, "in turn");
    });
    let gateway = before(&[&origin]);
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        for answer in join_all((0..60).map(|_| client.get(ACME, "/"))).await {
            assert_eq!(answer.unwrap().body, b"in turn");
        }
    });
    assert_eq!(origin.requests(), 60, "none was refused, or it would have come again");
    assert!((2..=20).contains(&origin.connections()), "{}", origin.connections());
}

#[test]
fn what_has_no_body_has_none_here_either() {
    let origin = H2Origin::serving(Builder::new(), async |request, mut respond: Respond| {
        let answer = Response::builder();
        let answer = match request.uri().path() {
            "/204" => answer.status(204),
            "/304" => answer.status(304).header("content-length", "9"),
            _ => answer.header("content-length", "9"),
        };
        respond.send_response(answer.body(()).unwrap(), true).unwrap();
    });
    let gateway = before(&[&origin]);
    let mut client = gateway.connect();
    let head = client.ask(&request("HEAD", ACME, "/"));
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("9"), 0));
    let not_modified = client.ask(&get(ACME, "/304"));
    assert_eq!((not_modified.status, not_modified.body.len()), (304, 0));
    let nothing = client.ask(&get(ACME, "/204"));
    assert_eq!((nothing.status, nothing.header("content-length")), (204, None));
    assert_eq!((nothing.header("transfer-encoding"), nothing.body.len()), (None, 0));
    block_on(async {
        let client = H2Client::connect(gateway.address()).await;
        let head = Request::head(format!("http://{ACME}/")).body(()).unwrap();
        let head = client.send(head, &[]).await.unwrap();
        assert_eq!((head.status.as_u16(), &head.headers["content-length"]), (200, &"9".parse().unwrap()));
        for (path, status) in [("/204", 204), ("/304", 304)] {
            let answer = client.get(ACME, path).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        }
    });
    assert_eq!(origin.connections(), 1);
}
