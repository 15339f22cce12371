//! Connections and the workers: each has as many, whoever has accepted them, and none is lost on its way from one to another.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use crate::harness::{
    ACME, Client, Config, DEADLINE, Origin, TestGateway, config, eventually, eventually_some, get,
};

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn over_tcp(address: SocketAddr) -> Box<dyn Stream> {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Box::new(stream)
}

fn over_unix(path: &Path) -> Box<dyn Stream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Box::new(stream)
}

/// Asks, behind what is to come first; the connection stays open.
fn ask(stream: &mut dyn Stream, before: &str) {
    stream.write_all(before.as_bytes()).unwrap();
    stream.write_all(&get(ACME, "/").bytes()).unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\nok") {
        let mut some = [0; 1024];
        let len = stream.read(&mut some).unwrap();
        assert!(len > 0, "closed after {:?}", String::from_utf8_lossy(&said));
        said.extend(&some[..len]);
    }
    assert!(said.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&said));
}

/// A connection that has come to its worker: of many at once, a worker that is held up is given no more than a queue full.
fn asked(mut stream: Box<dyn Stream>) -> Box<dyn Stream> {
    ask(&mut *stream, "");
    stream
}

/// The connections that each worker has.
fn by_worker(gateway: &TestGateway, workers: usize) -> Vec<usize> {
    let open = |worker: usize| {
        let worker = worker.to_string();
        gateway.metric("tollgate_worker_connections", &[("worker", worker.as_str())]) as usize
    };
    (0..workers).map(open).collect()
}

fn with_workers(workers: usize, listener: &str, origin: &Origin) -> Config {
    config().to(origin).set("workers", &workers.to_string()).set("listeners", &format!("[{listener}]"))
}

fn gap(open: &[usize]) -> usize {
    open.iter().max().unwrap() - open.iter().min().unwrap()
}

/// Connects eight times and asks, one after the other, and sees how they are spread.
fn assert_even(
    workers: usize,
    listener: &str,
    before: &str,
    connect: impl Fn(&TestGateway) -> Box<dyn Stream>,
) {
    let origin = Origin::saying("ok");
    let gateway = with_workers(workers, listener, &origin).set("trusted_proxies", "[127.0.0.1]").start();
    let mut open: Vec<_> = (0..8).map(|_| connect(&gateway)).collect();
    for (at, stream) in open.iter_mut().enumerate() {
        ask(&mut **stream, before);
        assert!(by_worker(&gateway, workers).iter().sum::<usize>() > at);
    }
    assert_eq!(by_worker(&gateway, workers), vec![8 / workers; workers], "{listener}");
    // They stay where they are, and go on.
    open.iter_mut().for_each(|stream| ask(&mut **stream, ""));
    drop(open);
    eventually("none is left", || by_worker(&gateway, workers) == vec![0; workers]);
}

#[test]
fn eight_connections_are_spread_evenly() {
    for workers in [1, 2, 4] {
        assert_even(workers, "{ bind: 127.0.0.1:0 }", "", |gateway| over_tcp(gateway.address()));
        let announced = "PROXY TCP4 192.0.2.7 198.51.100.9 50000 443\r\n";
        assert_even(workers, "{ bind: 127.0.0.1:0, proxy_protocol: true }", announced, |gateway| {
            over_tcp(gateway.address())
        });
        let both = "{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }";
        assert_even(workers, both, "", |gateway| over_unix(&gateway.directory().join("t.sock")));
    }
}

#[test]
fn those_of_a_socket_that_was_handed_over_are_spread_too() {
    let origin = Origin::saying("ok");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let script = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$0" "$@""#;
    let gateway =
        with_workers(2, "{ bind: systemd:web }", &origin).spawn_by(script, Some(OwnedFd::from(socket)));
    let mut open: Vec<_> = (0..8).map(|_| over_tcp(address)).collect();
    open.iter_mut().for_each(|stream| ask(&mut **stream, ""));
    let metrics = Client::connect(gateway.admin_address()).ask(&get("admin.test", "/metrics")).text();
    for worker in 0..2 {
        let line = format!("tollgate_worker_connections{{worker=\"{worker}\"}} 4\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn each_listener_is_spread_for_itself() {
    let origin = Origin::saying("ok");
    let gateway = with_workers(2, "{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }", &origin).start();
    let path = gateway.directory().join("t.sock");
    let _idle: Vec<_> = (0..200).map(|_| asked(over_tcp(gateway.address()))).collect();
    let before = by_worker(&gateway, 2);
    assert!(gap(&before) <= 1 + 100 / 16, "{before:?}");
    // However the two hundred are spread, the four of the other are two and two.
    let mut few: Vec<_> = (0..4).map(|_| over_unix(&path)).collect();
    few.iter_mut().for_each(|stream| ask(&mut **stream, ""));
    assert_eq!(by_worker(&gateway, 2), [before[0] + 2, before[1] + 2]);
}

#[test]
fn clients_that_come_and_go_stay_spread() {
    const WORKERS: usize = 4;
    let origin = Origin::saying("ok");
    let gateway = with_workers(WORKERS, "{ bind: 127.0.0.1:0 }", &origin).start();
    let address = gateway.address();
    let kept: Vec<Box<dyn Stream>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    let mut open = Vec::new();
                    for _ in 0..150 {
                        if open.len() < 10 && random.bool() {
                            open.push(over_tcp(address));
                        }
                        if open.is_empty() {
                            continue;
                        }
                        let at = random.usize(..open.len());
                        ask(&mut *open[at], "");
                        if random.u8(..3) == 0 {
                            drop(open.swap_remove(at));
                        }
                    }
                    open
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let spread = eventually_some("those that went are forgotten", || {
        let open = by_worker(&gateway, WORKERS);
        (open.iter().sum::<usize>() == kept.len()).then_some(open)
    });
    // Who has gone may have left a gap; as many as it takes close it.
    let _more: Vec<_> = (0..gap(&spread) * WORKERS).map(|_| asked(over_tcp(address))).collect();
    let spread = by_worker(&gateway, WORKERS);
    assert!(gap(&spread) <= 1 + spread.iter().min().unwrap() / 16, "{spread:?}");
}

#[test]
fn limits_hold_wherever_a_connection_goes() {
    let origin = Origin::saying("ok");
    let gateway = with_workers(4, "{ bind: 127.0.0.1:0 }", &origin)
        .set("limits", "{ max_connections_per_client: 6 }")
        .start();
    let mut open: Vec<_> = (0..6).map(|_| over_tcp(gateway.address())).collect();
    open.iter_mut().for_each(|stream| ask(&mut **stream, ""));
    for _ in 0..8 {
        gateway.connect().assert_closed();
    }
    let reason = [("reason", "max_connections_per_client")];
    assert_eq!(gateway.metric("tollgate_connections_refused_total", &reason), 8.0);
    let spread = by_worker(&gateway, 4);
    assert!(spread.iter().sum::<usize>() == 6 && gap(&spread) == 1, "{spread:?}");
    drop(open);
    eventually("there is room again", || by_worker(&gateway, 4) == [0; 4]);
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

/// Connects many times at once, says all that it has to say, and lets something happen before the first answer is read.
fn assert_all_answered(
    listeners: &str,
    connect: impl Fn(&TestGateway) -> Box<dyn Stream>,
    happens: impl Fn(&mut TestGateway),
) {
    let origin = Origin::saying("ok");
    let mut gateway = with_workers(4, listeners, &origin).start();
    // No more than wait to be accepted by the origin: it is asked by all of them at once.
    let mut open: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = connect(&gateway);
            stream.write_all(&get(ACME, "/").bytes()).unwrap();
            stream
        })
        .collect();
    happens(&mut gateway);
    for stream in &mut open {
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\nok") {
            let mut some = [0; 1024];
            let len = stream.read(&mut some).unwrap();
            assert!(len > 0, "closed after {:?}", String::from_utf8_lossy(&said));
            said.extend(&some[..len]);
            let answer = String::from_utf8_lossy(&said);
            assert!("HTTP/1.1 200".starts_with(&answer[..answer.len().min(12)]), "{answer}");
        }
    }
}

#[test]
fn nothing_that_has_connected_is_lost_when_a_listener_goes() {
    let both = "{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }, { bind: '[::1]:0' }";
    let goes = |gateway: &mut TestGateway| {
        gateway.reload(|config| config.set("listeners", "[{ bind: 127.0.0.1:0 }]")).unwrap();
    };
    assert_all_answered(both, |gateway| over_tcp(gateway.listeners()[1]), goes);
    assert_all_answered(both, |gateway| over_unix(&gateway.directory().join("t.sock")), goes);
}

#[test]
fn nothing_that_has_connected_is_lost_when_the_gateway_drains() {
    let both = "{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }";
    let drains = |gateway: &mut TestGateway| gateway.drain();
    assert_all_answered(both, |gateway| over_tcp(gateway.address()), drains);
    assert_all_answered(both, |gateway| over_unix(&gateway.directory().join("t.sock")), drains);
}
