//! Endpoints that speak HTTP/2: many requests over few connections, and what is known of those that fail.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify, Semaphore};
use tokio::task::spawn_local;
use tollgate::upstream::{Address, Answer, Protocol, SendFailure};

use super::front::post;
use super::{Count, Scene, endpoint, get, on_a_worker};
use crate::harness::greet;

/// Of a worker to an endpoint.
const CONNECTIONS_MAX: usize = 64;

type Respond = SendResponse<Bytes>;

fn scene(address: SocketAddr) -> Scene {
    Scene::to(endpoint(Address::Ip(address)).speaking(Protocol::Http2))
}

/// Serves HTTP/2 on a connection, each request by `answer`.
pub(super) async fn serve_h2<F>(io: impl AsyncRead + AsyncWrite + Unpin, terms: Builder, answer: F)
where
    F: AsyncFn(Request<RecvStream>, Respond) + Clone + 'static,
{
    let Ok(mut connection) = terms.handshake(io).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let answer = answer.clone();
        spawn_local(async move { answer(request, respond).await });
    }
}

/// Serves on a port; counts connections.
async fn origin<F>(terms: Builder, answer: F) -> (SocketAddr, Count)
where
    F: AsyncFn(Request<RecvStream>, Respond) + Clone + 'static,
{
    accepting(move |io, _| serve_h2(io, terms.clone(), answer.clone())).await
}

/// Serves each connection, told its number, by `serve`.
pub(super) async fn accepting<F: Future<Output = ()> + 'static>(
    serve: impl Fn(TcpStream, usize) -> F + 'static,
) -> (SocketAddr, Count) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Count::default();
    let counted = connections.clone();
    spawn_local(async move {
        while let Ok((io, _)) = listener.accept().await {
            counted.one_more();
            spawn_local(serve(io, counted.get()));
        }
    });
    (address, connections)
}

pub(super) fn say(mut respond: Respond, text: &str) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from(text.to_owned()), true).unwrap();
}

async fn hello(_: Request<RecvStream>, respond: Respond) {
    say(respond, "hello");
}

/// Reads a request's body; its trailers too.
async fn read(body: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        all.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    (all, body.trailers().await.unwrap())
}

#[test]
fn requests_share_one_connection() {
    on_a_worker(async {
        // None is answered before all are there.
        let all = Rc::new(Barrier::new(20));
        let (address, connections) = origin(Builder::new(), async move |request, respond| {
            assert_eq!(request.uri(), "http://origin.test/hello");
            assert_eq!(request.headers()["via"], "1.1 test");
            assert!(!request.headers().contains_key("host"));
            all.wait().await;
            hello(request, respond).await;
        })
        .await;
        let scene = scene(address);
        for answer in join_all((0..20).map(|_| scene.get())).await {
            assert_eq!(answer.unwrap(), "hello");
        }
        assert_eq!((connections.get(), scene.client.idle()), (1, 1));
        scene.client.sweep(|_| true);
        assert_eq!(scene.client.idle(), 1, "it is kept for a while");
        scene.client.sweep(|_| false);
        assert_eq!(scene.client.idle(), 0, "nothing goes there any more");
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn what_a_connection_has_no_room_for_takes_another() {
    on_a_worker(async {
        let mut one = Builder::new();
        one.max_concurrent_streams(1);
        let pair = Rc::new(Barrier::new(2));
        let (address, connections) = origin(one, async move |request, respond| {
            if request.headers().contains_key("pair") {
                pair.wait().await;
            }
            hello(request, respond).await;
        })
        .await;
        let scene = scene(address);
        assert_eq!(scene.get().await.unwrap(), "hello");
        let mut together = get();
        together.headers_mut().insert("pair", "1".parse().unwrap());
        for answer in join_all((0..2).map(|_| scene.send(together.clone()))).await {
            assert!(matches!(answer.unwrap(), Answer::Response(_)));
        }
        assert_eq!(connections.get(), 2);
        for answer in join_all((0..200).map(|_| scene.get())).await {
            assert_eq!(answer.unwrap(), "hello");
        }
        assert!(connections.get() <= CONNECTIONS_MAX, "there are {}", connections.get());
    });
}

#[test]
fn what_no_connection_has_room_for_waits_its_turn_and_not_for_ever() {
    on_a_worker(async {
        let mut one = Builder::new();
        one.max_concurrent_streams(1);
        let (arrived, held) = (Count::default(), Rc::new(Semaphore::new(0)));
        let (counted, waits) = (arrived.clone(), Rc::clone(&held));
        let (address, connections) = origin(one, async move |request, respond| {
            counted.one_more();
            // Those that come first are held.
            if counted.get() > CONNECTIONS_MAX {
                return hello(request, respond).await;
            }
            waits.acquire().await.unwrap().forget();
            hello(request, respond).await;
        })
        .await;
        let there = |address| endpoint(Address::Ip(address)).speaking(Protocol::Http2);
        let scene = Rc::new(Scene::connecting_within(Duration::from_millis(300), there(address)));
        let ask = || {
            let scene = Rc::clone(&scene);
            spawn_local(async move { scene.get().await })
        };
        let first: Vec<_> = (0..CONNECTIONS_MAX).map(|_| ask()).collect();
        while arrived.get() < CONNECTIONS_MAX {
            tokio::task::yield_now().await;
        }
        let late = scene.get().await;
        let Err(SendFailure::Connect(why)) = late else { panic!("{late:?}") };
        assert_eq!(why.proxy_status(), "connection_limit_reached");
        assert_eq!(arrived.get(), CONNECTIONS_MAX, "the endpoint has not seen it");
        let patient: Vec<_> = (0..3).map(|_| ask()).collect();
        held.add_permits(1);
        for patient in patient {
            assert_eq!(
                patient.await.unwrap().unwrap(),
                "hello",
                "one after another by the place that is free"
            );
        }
        assert_eq!((connections.get(), arrived.get()), (CONNECTIONS_MAX, CONNECTIONS_MAX + 3));
        drop(first);
    });
}

#[test]
fn a_stream_that_is_refused_may_go_elsewhere_and_one_that_is_reset_may_not() {
    on_a_worker(async {
        let (address, connections) =
            origin(Builder::new(), async |request, mut respond: Respond| match request.uri().path() {
                "/refused" => respond.send_reset(Reason::REFUSED_STREAM),
                "/reset" => respond.send_reset(Reason::INTERNAL_ERROR),
                _ => say(respond, "hello"),
            })
            .await;
        let scene = scene(address);
        let to = |path: &str| {
            let mut request = get();
            *request.uri_mut() = format!("http://origin.test{path}").parse().unwrap();
            scene.send(request)
        };
        let refused = to("/refused").await;
        assert!(matches!(refused, Err(SendFailure::Refused { leaving: false })), "{refused:?}");
        let reset = to("/reset").await;
        assert!(matches!(reset, Err(SendFailure::Broken { reused: false })), "{reset:?}");
        assert_eq!(scene.get().await.unwrap(), "hello");
        assert_eq!(connections.get(), 1, "the connection goes on");
    });
}

#[test]
fn what_an_endpoint_that_leaves_has_not_looked_at_takes_a_new_connection() {
    on_a_worker(async {
        let (address, connections) = accepting(async |mut io: TcpStream, number| {
            if number > 1 {
                return serve_h2(io, Builder::new(), hello).await;
            }
            greet(&mut io).await;
            // GOAWAY with 0 as the last stream.
            io.write_all(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0").await.unwrap();
            while io.read_u8().await.is_ok() {}
        })
        .await;
        let scene = scene(address);
        let failure = scene.failure().await;
        assert!(matches!(failure, SendFailure::Refused { leaving: true }), "{failure:?}");
        assert_eq!(scene.get().await.unwrap(), "hello");
        assert_eq!(connections.get(), 2);
    });
}

#[test]
fn a_connection_that_ends_is_not_used_again() {
    on_a_worker(async {
        let (address, connections) = accepting(async |io: TcpStream, _| {
            let mut connection = h2::server::handshake(io).await.unwrap();
            let (_, respond) = connection.accept().await.unwrap().unwrap();
            say(respond, "once");
            connection.graceful_shutdown();
            while connection.accept().await.is_some() {}
        })
        .await;
        let scene = scene(address);
        for times in 1..4 {
            assert_eq!(scene.get().await.unwrap(), "once");
            assert_eq!(connections.get(), times);
            while scene.client.idle() > 0 {
                scene.client.sweep(|_| true);
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn a_response_of_an_endpoint_that_was_removed_is_cut_when_its_time_is_over() {
    on_a_worker(async {
        let (address, connections) = origin(Builder::new(), async |_, mut respond: Respond| {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"begun"), false).unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        let scene = scene(address);
        let Answer::Response(response) = scene.send(get()).await.unwrap() else { panic!("a switch") };
        let mut body = response.into_body();
        scene.endpoint.retire(std::time::Duration::from_millis(100));
        scene.client.sweep(|_| false);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun", "it may go on");
        let sweeps = async {
            loop {
                scene.client.sweep(|_| false);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            cut = body.frame() => assert!(cut.unwrap().is_err()),
            () = sweeps => {}
        }
        assert_eq!(scene.refusal().await, "destination_unavailable");
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn trailers_end_a_response() {
    on_a_worker(async {
        let (address, _) = origin(Builder::new(), async |request, mut respond: Respond| {
            assert_eq!(request.headers()["te"], "trailers");
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"message"), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            trailers.insert("content-length", "9".parse().unwrap());
            body.send_trailers(trailers).unwrap();
        })
        .await;
        let scene = scene(address);
        let mut request = get();
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        let Answer::Response(response) = scene.send(request).await.unwrap() else { panic!("a switch") };
        let whole = response.into_body().collect().await.unwrap();
        let trailers = whole.trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert!(!trailers.contains_key("content-length"), "only a head may say it");
        assert_eq!(whole.to_bytes(), "message");
    });
}

#[test]
fn a_response_is_sent_only_as_far_as_it_is_taken() {
    const SIZE: usize = 2 * 1024 * 1024;
    on_a_worker(async {
        let sent = Count::default();
        let (counted, stuck) = (sent.clone(), Rc::new(Notify::new()));
        let says = Rc::clone(&stuck);
        let (address, _) = origin(Builder::new(), async move |_, mut respond: Respond| {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            for _ in 0..SIZE / 1024 {
                body.reserve_capacity(1024);
                while body.capacity() < 1024 {
                    if counted.get() >= 256 {
                        says.notify_one();
                    }
                    std::future::poll_fn(|cx| body.poll_capacity(cx)).await.unwrap().unwrap();
                }
                body.send_data(Bytes::from_static(&[b'x'; 1024]), false).unwrap();
                counted.one_more();
            }
            body.send_data(Bytes::new(), true).unwrap();
        })
        .await;
        let scene = scene(address);
        let Answer::Response(response) = scene.send(get()).await.unwrap() else { panic!("a switch") };
        stuck.notified().await;
        assert_eq!(sent.get(), 256, "KiB, a stream's window");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), SIZE);
    });
}

#[test]
fn a_request_body_passes_as_the_endpoint_takes_it_and_its_trailers_follow() {
    on_a_worker(async {
        let mut narrow = Builder::new();
        narrow.initial_window_size(1_000);
        let (address, _) = origin(narrow, async |request, respond| {
            assert!(!request.headers().contains_key("transfer-encoding"));
            let (body, trailers) = read(&mut request.into_body()).await;
            say(
                respond,
                &format!("{} octets, sum {}", body.len(), trailers.unwrap()["x-sum"].to_str().unwrap()),
            );
        })
        .await;
        let scene = Rc::new(scene(address));
        let body = [&b"186a0\r\n"[..], &[b'x'; 100_000], b"\r\n0\r\nx-sum: 7\r\n\r\n"].concat();
        let answer = post(&scene, "transfer-encoding: chunked\r\ntrailer: x-sum", &body).await;
        assert_eq!(answer.unwrap(), "100000 octets, sum 7");
    });
}

#[test]
fn a_body_that_was_kept_goes_again_with_what_was_refused() {
    on_a_worker(async {
        let asked = Count::default();
        let counted = asked.clone();
        let (address, connections) = origin(Builder::new(), async move |request, mut respond: Respond| {
            counted.one_more();
            let mut body = request.into_body();
            if counted.get() == 1 {
                // Some of it has come, and there it is refused.
                let some = body.data().await.unwrap().unwrap();
                assert!(!some.is_empty());
                return respond.send_reset(Reason::REFUSED_STREAM);
            }
            let (body, trailers) = read(&mut body).await;
            if counted.get() == 2 {
                return respond.send_reset(Reason::REFUSED_STREAM);
            }
            let intact = body.iter().all(|octet| *octet == b'x');
            say(respond, &format!("{} {intact} {}", body.len(), trailers.is_some()));
        })
        .await;
        let scene = Rc::new(scene(address));
        let answer = post(&scene, "content-length: 50000", &[b'x'; 50_000]).await;
        assert_eq!(answer.unwrap(), "50000 true false");
        assert_eq!((asked.get(), connections.get()), (3, 1));
        // The same in chunks, with trailers.
        let asked = Count::default();
        let counted = asked.clone();
        let (address, _) = origin(Builder::new(), async move |request, mut respond: Respond| {
            counted.one_more();
            let (body, trailers) = read(&mut request.into_body()).await;
            match counted.get() {
                1 => respond.send_reset(Reason::REFUSED_STREAM),
                _ => say(respond, &format!("{} {:?}", body.len(), trailers.unwrap()["x-end"])),
            }
        })
        .await;
        let scene = Rc::new(self::scene(address));
        let body = b"4\r\nbody\r\n0\r\nx-end: yes\r\n\r\n";
        let answer = post(&scene, "transfer-encoding: chunked\r\nte: trailers\r\ntrailer: x-end", body).await;
        assert_eq!(answer.unwrap(), "4 \"yes\"");
        assert_eq!(asked.get(), 2);
    });
}

#[test]
fn a_body_that_is_too_large_to_keep_does_not_go_again() {
    on_a_worker(async {
        let asked = Count::default();
        let counted = asked.clone();
        let (address, _) = origin(Builder::new(), async move |request, mut respond: Respond| {
            counted.one_more();
            read(&mut request.into_body()).await;
            respond.send_reset(Reason::REFUSED_STREAM);
        })
        .await;
        let scene = Rc::new(scene(address));
        let answer = post(&scene, "content-length: 65537", &[b'x'; 65_537]).await;
        assert!(matches!(answer, Err(SendFailure::Refused { leaving: false })), "{answer:?}");
        assert_eq!(asked.get(), 1);
    });
}

#[test]
fn a_response_may_come_before_the_request_has_ended() {
    on_a_worker(async {
        let mut narrow = Builder::new();
        narrow.initial_window_size(1_000);
        let (address, _) = origin(narrow, async |request, mut respond: Respond| {
            let mut answer = respond.send_response(Response::new(()), false).unwrap();
            let (body, _) = read(&mut request.into_body()).await;
            answer.send_data(Bytes::from(body.len().to_string()), true).unwrap();
        })
        .await;
        let scene = Rc::new(scene(address));
        let answer = post(&scene, "content-length: 50000", &[b'x'; 50_000]).await;
        assert_eq!(answer.unwrap(), "50000");
    });
}

#[test]
fn an_endpoint_that_takes_no_more_of_a_request_is_not_waited_for() {
    on_a_worker(async {
        let mut narrow = Builder::new();
        narrow.initial_window_size(1_000);
        let (address, _) = origin(narrow, async |request, respond| {
            // Held, and never read.
            std::future::pending::<()>().await;
            drop((request, respond));
        })
        .await;
        let scene = Rc::new(scene(address));
        let answer = post(&scene, "content-length: 50000", &[b'x'; 50_000]).await;
        assert!(matches!(answer, Err(SendFailure::Timeout)), "{answer:?}");
    });
}

#[test]
fn nothing_is_sent_to_what_speaks_something_else() {
    on_a_worker(async {
        let (address, _) = accepting(async |mut io: TcpStream, _| {
            let mut heard = Vec::new();
            io.read_buf(&mut heard).await.unwrap();
            io.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            while io.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {}
            assert!(!heard.windows(5).any(|octets| octets == b"hello"));
        })
        .await;
        assert_eq!(scene(address).refusal().await, "http_protocol_error");
        let (address, _) = accepting(async |io: TcpStream, _| drop(io)).await;
        assert_eq!(scene(address).refusal().await, "connection_terminated");
    });
}

#[test]
fn nothing_switches_where_only_http2_is_spoken() {
    on_a_worker(async {
        let scene = scene((Ipv4Addr::LOCALHOST, 1).into());
        let mut request = get();
        request.headers_mut().insert("upgrade", "shout".parse().unwrap());
        assert!(matches!(scene.send(request).await, Err(SendFailure::NoSwitch)));
    });
}
