use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

/// What no test should ever take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs `client` against an application of its own, then shuts that down and waits for its end.
fn with_app<F: Future<Output = ()>>(client: impl FnOnce(SocketAddr) -> F) {
    with_app_that(false, client);
}

/// As [`with_app`], of one whose pages are for a gateway that gives them a look, or not.
fn with_app_that<F: Future<Output = ()>>(branded: bool, client: impl FnOnce(SocketAddr) -> F) {
    let (stop, stopped) = oneshot::channel::<()>();
    with_app_until(branded, stopped, |app| async move {
        client(app).await;
        drop(stop);
    });
}

/// As [`with_app`], but shut down by `stopped`.
fn with_app_until<F: Future<Output = ()>>(
    branded: bool,
    stopped: oneshot::Receiver<()>,
    client: impl FnOnce(SocketAddr) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let identity = SampleApp { name: "shared-1".into(), pool: "shared".into(), branded };
    let both = async {
        let app = serve(listener, identity, async {
            let _ = stopped.await;
        });
        let (served, ()) = tokio::join!(app, client(address));
        served.unwrap();
    };
    runtime.block_on(async { tokio::time::timeout(DEADLINE, both).await }).unwrap();
}

/// Sends one request on a connection of its own and reads to the end: status, head, body.
async fn exchange(app: SocketAddr, line: &str, fields: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(app).await.unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request =
        format!("{line} HTTP/1.1\r\nHost: acme.localhost\r\nConnection: close\r\n{length}{fields}\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

async fn get(app: SocketAddr, path: &str) -> (u16, String, String) {
    exchange(app, &format!("GET {path}"), "", "").await
}

/// Reads until `end` has been seen.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.contains(end) {
        let mut part = [0; 1024];
        let len = stream.read(&mut part).await.unwrap();
        assert_ne!(len, 0, "{answer}");
        answer.push_str(std::str::from_utf8(&part[..len]).unwrap());
    }
    answer
}

/// Sends the first half of a body to `/echo` and waits until it has come back.
async fn begin_echo(app: SocketAddr, fields: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app).await.unwrap();
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/x-test\r\nTransfer-Encoding: chunked\r\n{fields}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"5\r\nhello\r\n").await.unwrap();
    let answer = read_until(&mut stream, "hello").await;
    assert!(answer.contains("content-type: text/x-test"), "{answer}");
    stream
}

#[test]
fn any_path_answers_what_was_seen() {
    with_app(|app| async move {
        let fields = "X-Tenant-Id: acme\r\nX-Twice: a\r\nX-Twice: b\r\n";
        let (status, head, body) = exchange(app, "PUT /orders/7?x=1", fields, "hello").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/json"), "{head}");
        let seen: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(seen["application"], "shared-1");
        assert_eq!(seen["pool"], "shared");
        assert_eq!(seen["tenant"], "acme");
        assert_eq!(seen["method"], "PUT");
        assert_eq!(seen["path"], "/orders/7?x=1");
        assert_eq!(seen["host"], "acme.localhost");
        assert_eq!(seen["body_bytes"], 5);
        assert_eq!(seen["headers"]["x-twice"], "a, b");
        let (_, _, body) = get(app, "/").await;
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["tenant"], Value::Null);
    });
}

#[test]
fn a_browser_gets_a_page_that_no_header_can_script() {
    with_app(|app| async move {
        let fields =
            "Accept: text/html,*/*;q=0.8\r\nX-Tenant-Id: acme\r\nX-Evil: <script>alert('x')</script>\r\n";
        let (status, head, body) = exchange(app, "GET /", fields, "").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/html"), "{head}");
        assert!(body.contains("<h1>Hello, acme</h1>"), "{body}");
        assert!(body.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{body}");
        assert!(!body.contains("<script"), "{body}");
    });
}

#[test]
fn a_branded_page_is_in_nobodys_look_and_shows_what_the_tenant_has() {
    with_app_that(true, |app| async move {
        let browse = async |path: &str, fields: &str| {
            exchange(app, &format!("GET {path}"), &format!("Accept: text/html\r\n{fields}"), "").await
        };
        let (_, head, home) = browse("/", "X-Tenant-Id: acme\r\nX-Tenant-Features: audit,reports\r\n").await;
        assert!(home.contains("<title>{{brand.name}}</title>") && home.contains("id=\"reports\""), "{home}");
        let css = home.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).unwrap().0;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, css.as_bytes());
        let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
        assert!(head.contains(&format!("style-src 'sha256-{hash}'")), "{head}");
        let (_, _, home) = browse("/", "X-Tenant-Features: <b>reports\r\n").await;
        assert!(home.contains("id=\"more\"") && !home.contains("id=\"reports\""), "{home}");
        assert!(home.contains("&lt;b&gt;reports") && !home.contains("<b>"), "{home}");
        let (_, _, other) = browse("/a'b?c=%22", "X-Evil: <script>\r\n").await;
        assert!(other.contains("<h1>/a&#39;b</h1>") && !other.contains("<script"), "{other}");
        // Programs are told what they always were.
        let (_, head, _) = get(app, "/").await;
        assert!(head.contains("content-type: application/json"), "{head}");
    });
}

#[test]
fn statuses_are_answered_as_asked() {
    with_app(|app| async move {
        assert_eq!(get(app, "/healthz").await.0, 200);
        for code in [200, 204, 304, 404, 418, 503, 599] {
            assert_eq!(get(app, &format!("/status/{code}")).await.0, code);
        }
        for path in ["/status/101", "/status/600", "/status/x", "/status/"] {
            assert_eq!(get(app, path).await.0, 400, "{path}");
        }
    });
}

#[test]
fn slow_waits_as_long_as_asked_and_no_longer_than_its_bound() {
    with_app(|app| async move {
        let start = std::time::Instant::now();
        assert_eq!(get(app, "/slow?ms=30").await.0, 200);
        assert!(start.elapsed() >= Duration::from_millis(30));
        for path in ["/slow", "/slow?ms=-1", "/slow?ms=30001"] {
            assert_eq!(get(app, path).await.0, 400, "{path}");
        }
    });
}

#[test]
fn echo_streams_back_before_the_request_has_ended() {
    with_app(|app| async move {
        let mut stream = begin_echo(app, "Connection: close\r\n").await;
        stream.write_all(b"5\r\nworld\r\n0\r\n\r\n").await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("world") && rest.ends_with("0\r\n\r\n"), "{rest}");
        assert_eq!(get(app, "/echo").await.0, 405);
    });
}

#[test]
fn a_stream_sends_its_first_event_at_once_and_ends_after_its_last() {
    with_app(|app| async move {
        let (status, head, body) = get(app, "/stream?count=1").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(
            body.contains("event: tick\ndata: {\"application\":\"shared-1\",\"number\":1}\n\n"),
            "{body}"
        );
        for path in ["/stream?count=61", "/stream?count=x"] {
            assert_eq!(get(app, path).await.0, 400, "{path}");
        }
    });
}

#[test]
fn shutdown_closes_idle_connections_and_lets_running_requests_finish() {
    let (stop, stopped) = oneshot::channel::<()>();
    with_app_until(false, stopped, |app| async move {
        let mut idle = TcpStream::connect(app).await.unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert!(read_until(&mut idle, "ok\n").await.starts_with("HTTP/1.1 200"));
        let mut running = begin_echo(app, "").await;

        stop.send(()).unwrap();
        let mut rest = String::new();
        idle.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "");
        running.write_all(b"5\r\nworld\r\n0\r\n\r\n").await.unwrap();
        running.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("world") && rest.ends_with("0\r\n\r\n"), "{rest}");
    });
}
