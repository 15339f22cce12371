//! Names whose addresses change, as a DNS server of the test's own tells them.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tollgate::upstream::dns::Resolver;

use super::cover::Cover;
use super::tls::{Authority, acceptor};
use crate::harness::{
    ACME, DEADLINE, Ending, Origin, TestGateway, block_on, config, eventually, eventually_async, get,
};

/// What a name has: so many addresses 127.0.0.N, or nothing that the server would tell.
type Zone = Option<Vec<u8>>;

/// A DNS server that knows one zone for all names, but for those whose first label has one of its own; with a time to live of 0.
struct Server {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    own: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn with(addresses: &[u8]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Some(addresses.to_vec())));
        let (own, asked) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::new(AtomicUsize::new(0)));
        let (answers, owns, counted) = (Arc::clone(&zone), Arc::clone(&own), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query) {
                counted.fetch_add(1, Ordering::SeqCst);
                let label = String::from_utf8_lossy(&query[13..][..usize::from(query[12])]).to_lowercase();
                let zone = owns.lock().unwrap().get(&label).cloned();
                let zone = zone.or_else(|| answers.lock().unwrap().clone());
                let answer = answer(&query[..len], zone.as_deref());
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { address, zone, own, asked }
    }

    fn set_of(&self, label: &str, zone: &[u8]) {
        self.own.lock().unwrap().insert(label.to_owned(), zone.to_vec());
    }

    fn set(&self, zone: Option<&[u8]>) {
        *self.zone.lock().unwrap() = zone.map(<[u8]>::to_vec);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An answer (RFC 1035 §4.1): its question again, and an A record an address; SERVFAIL for none.
fn answer(query: &[u8], zone: Option<&[u8]>) -> Vec<u8> {
    let name = query[12..].iter().position(|byte| *byte == 0).unwrap() + 13;
    let question = &query[12..name + 4];
    let wants_v4 = question[question.len() - 4..][..2] == [0, 1];
    let addresses = if wants_v4 { zone.unwrap_or_default() } else { &[] };
    let code = if zone.is_some() { 0x80 } else { 0x82 };
    let mut message = query[..2].to_vec();
    message.extend([0x85, code, 0, 1, 0, u8::try_from(addresses.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(question);
    for address in addresses {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, *address]);
    }
    message
}

fn at(addresses: &[u8]) -> Vec<SocketAddr> {
    addresses.iter().map(|last| SocketAddr::from(([127, 0, 0, *last], 8080))).collect()
}

#[test]
fn a_name_is_followed_and_its_last_addresses_outlive_its_server() {
    let server = Server::with(&[2, 1]);
    block_on(async {
        let resolver = Resolver::of_servers(&[server.address]).unwrap();
        let mut watched = resolver.watch("app.test.", 8080);
        watched.changed().await.unwrap();
        assert_eq!(*watched.borrow_and_update(), at(&[1, 2]));

        server.set(Some(&[3, 2]));
        watched.changed().await.unwrap();
        assert_eq!(*watched.borrow_and_update(), at(&[2, 3]));

        server.set(None);
        let before = server.asked();
        eventually_async("the server is asked in vain", || server.asked() > before + 2).await;
        assert_eq!(*watched.borrow(), at(&[2, 3]));
        assert!(!watched.has_changed().unwrap(), "the last answer stays");

        server.set(Some(&[4]));
        watched.changed().await.unwrap();
        assert_eq!(*watched.borrow_and_update(), at(&[4]));
    });
}

#[test]
fn a_name_that_nobody_watches_is_looked_up_no_more() {
    let server = Server::with(&[1]);
    block_on(async {
        let resolver = Resolver::of_servers(&[server.address]).unwrap();
        let mut watched = resolver.watch("app.test.", 8080);
        watched.changed().await.unwrap();
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let with = tasks();
        drop(watched);
        eventually_async("the task ends", || tasks() < with).await;
    });
}

/// At each address it says that address.
fn by_address() -> Origin {
    Origin::everywhere(|_, peer| {
        let here = peer.local().ip().to_string();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{here}", here.len()));
    })
}

fn answers(gateway: &TestGateway, count: usize) -> Vec<String> {
    let mut answers: Vec<_> = (0..count).map(|_| gateway.ask(&get(ACME, "/")).text()).collect();
    answers.sort();
    answers
}

fn names(gateway: &TestGateway) -> Vec<String> {
    let pool = gateway.admin("/api/v1/pools/shared").json();
    pool["endpoints"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn endpoints_follow_the_addresses_of_a_name() {
    let (server, origin) = (Server::with(&[2, 3]), by_address());
    let port = origin.address().port();
    let url = format!("dns+http://app.test:{port}");
    let config = config().resolved_by(server.address);
    let mut gateway =
        config.pool_at("shared", std::slice::from_ref(&url), "load_balancing: round_robin").start();
    // From the first request on, since a start waits for the first answer.
    assert_eq!(answers(&gateway, 4), ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]);
    server.set(Some(&[3, 4]));
    eventually("the new address is an endpoint", || names(&gateway).contains(&format!("127.0.0.4:{port}")));
    assert_eq!(answers(&gateway, 4), ["127.0.0.3", "127.0.0.3", "127.0.0.4", "127.0.0.4"]);
    assert!(!gateway.metrics().contains("127.0.0.2:"), "what is gone is shown no more");
    // A reload keeps those that were found, and whoever follows them.
    let more = "load_balancing: round_robin, max_idle: 3";
    gateway.reload(|config| config.pool_at("shared", std::slice::from_ref(&url), more)).unwrap();
    assert_eq!(answers(&gateway, 2), ["127.0.0.3", "127.0.0.4"]);
    server.set(None);
    let asked = server.asked();
    eventually("the server is asked in vain", || server.asked() > asked + 2);
    assert_eq!(answers(&gateway, 2), ["127.0.0.3", "127.0.0.4"]);
    server.set(Some(&[5]));
    eventually("one is left", || names(&gateway) == [format!("127.0.0.5:{port}")]);
    assert_eq!(answers(&gateway, 2), ["127.0.0.5", "127.0.0.5"]);
}

#[test]
fn a_name_that_is_not_there_yet_is_503_until_it_is() {
    let (server, origin) = (Server::with(&[]), by_address());
    server.set(None);
    let url = format!("dns+http://app.test:{}", origin.address().port());
    let gateway = config().resolved_by(server.address).pool_at("shared", &[url], "").start();
    gateway.ask(&get(ACME, "/")).assert_refused(503, "no_endpoint");
    server.set(Some(&[6]));
    eventually("it has an endpoint", || gateway.ask(&get(ACME, "/")).text() == "127.0.0.6");
}

#[test]
fn an_address_that_is_configured_too_is_one_endpoint() {
    let (server, origin) = (Server::with(&[2, 3]), by_address());
    let port = origin.address().port();
    let urls = [format!("http://127.0.0.2:{port}"), format!("dns+http://app.test:{port}")];
    let gateway = config().resolved_by(server.address).pool_at("shared", &urls, "").start();
    let mut names = names(&gateway);
    names.sort();
    assert_eq!(names, [format!("127.0.0.2:{port}"), format!("127.0.0.3:{port}")]);
}

#[test]
fn another_pool_or_other_terms_begin_with_the_addresses_that_are_known() {
    let (server, origin, authority) = (Server::with(&[1]), by_address(), Authority::new());
    let cover = Cover::tls(origin.address(), acceptor(&authority, "app.test", None));
    let plain = [format!("dns+http://app.test:{}", origin.address().port())];
    let secure = [format!("dns+https://app.test:{}", cover.address().port())];
    let tls = |within: &str| format!("tls: {{ insecure: true }}, timeouts: {{ tls: {within} }}");
    let config = config().resolved_by(server.address).pool_at("shared", &plain, "");
    let mut gateway = config.pool_at("secure", &secure, &tls("5s")).start();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    // What has to ask first has no endpoint.
    server.set(None);
    gateway.reload(|config| config.pool_at("renamed", &plain, "").set("default_pool", "renamed")).unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
    gateway
        .reload(|config| config.pool_at("secure", &secure, &tls("6s")).set("default_pool", "secure"))
        .unwrap();
    gateway.ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn an_address_of_two_names_stays_for_as_long_as_one_has_it() {
    let (one, origin) = (Server::with(&[2, 3]), by_address());
    let port = origin.address().port();
    one.set_of("b", &[3, 4]);
    let urls = [format!("dns+http://a.test:{port}"), format!("dns+http://b.test:{port}")];
    let gateway = config().resolved_by(one.address).pool_at("shared", &urls, "").start();
    let are = |last: &[u8]| {
        let mut names = names(&gateway);
        names.sort();
        names == last.iter().map(|last| format!("127.0.0.{last}:{port}")).collect::<Vec<_>>()
    };
    eventually("all are there", || are(&[2, 3, 4]));
    one.set(Some(&[2]));
    let asked = one.asked();
    eventually("all were asked again", || one.asked() > asked + 8);
    assert!(are(&[2, 3, 4]), "{:?}", names(&gateway));
    one.set_of("b", &[4]);
    eventually("nobody has it", || are(&[2, 4]));
}

#[test]
fn the_system_knows_localhost() {
    let origin = Origin::saying("here");
    let url = format!("dns+http://localhost:{}", origin.address().port());
    // Of `::1` nobody answers: it is passed over.
    let gateway = config().pool_at("shared", &[url], "").start();
    assert_eq!(gateway.ask(&get(ACME, "/")).text(), "here");
}

#[test]
fn what_runs_at_an_address_that_is_gone_is_cut_after_the_pools_drain() {
    let server = Server::with(&[2]);
    let origin = Origin::everywhere(|_, peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        peer.patience(DEADLINE);
        peer.drain();
    });
    let url = format!("dns+http://app.test:{}", origin.address().port());
    let gateway = config().resolved_by(server.address).pool_at("shared", &[url], "drain: 100ms").start();
    let mut held = gateway.asking(&get(ACME, "/"));
    let in_flight = || gateway.metric("tollgate_endpoint_requests_in_flight", &[]);
    eventually("it is at the endpoint", || in_flight() == 1.0);
    server.set(Some(&[3]));
    let answer = held.answer();
    assert_eq!((answer.status, answer.ending), (200, Ending::Broken));
}
