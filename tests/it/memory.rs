//! What the binary needs of memory, and what it gives back. By its own allocator, which no test in process has.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{ACME, Client, DEADLINE, Gate, Origin, Process, config, eventually, get};

const MIB: u64 = 1 << 20;
/// Of a body, in each direction.
const BODY: u64 = 1024 * MIB;
/// What the memory may grow by while that passes.
const GROWTH_MAX: u64 = 8 * MIB;
/// Requests at once.
const PEAK: usize = 500;

/// Accepts one connection after another, and reads a request's head of each before it hands it over.
fn raw_origin(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.set_write_timeout(Some(DEADLINE)).unwrap();
            serve(stream);
        }
    });
    address
}

/// Reads a head, byte by byte: what follows it is the body's.
fn read_head(mut stream: &TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
}

fn send(mut stream: &TcpStream, count: u64) {
    let piece = [b'x'; 256 * 1024];
    let mut left = count;
    while left > 0 {
        let now = left.min(piece.len() as u64);
        stream.write_all(&piece[..now as usize]).unwrap();
        left -= now;
    }
}

/// Reads this much, without keeping it.
fn receive(stream: &TcpStream, count: u64) -> u64 {
    std::io::copy(&mut stream.take(count), &mut std::io::sink()).unwrap()
}

/// The greatest memory that `gateway` was seen with during `work`.
fn peak_of(gateway: &Process, work: impl FnOnce()) -> u64 {
    let (ended, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                peak.fetch_max(gateway.memory(), Ordering::SeqCst);
                thread::park_timeout(Duration::from_millis(5));
            }
        });
        work();
        ended.store(true, Ordering::SeqCst);
    });
    peak.into_inner()
}

fn client(gateway: &Process, head: &str) -> TcpStream {
    let stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    (&stream).write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn a_long_response_passes_in_constant_memory() {
    let length = Arc::new(AtomicU64::new(MIB));
    let of = Arc::clone(&length);
    let origin = raw_origin(move |stream| {
        read_head(&stream);
        let length = of.load(Ordering::SeqCst);
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        (&stream).write_all(head.as_bytes()).unwrap();
        send(&stream, length);
    });
    let gateway = config().pool("shared", &[origin], "").spawn();
    let pass = |count| {
        length.store(count, Ordering::SeqCst);
        let stream = client(&gateway, &format!("GET / HTTP/1.1\r\nHost: {ACME}\r\n\r\n"));
        read_head(&stream);
        assert_eq!(receive(&stream, count), count);
    };
    // What a connection needs in any case.
    pass(MIB);
    let before = gateway.memory();
    let peak = peak_of(&gateway, || pass(BODY));
    assert!(peak < before + GROWTH_MAX, "{before} octets before, {peak} at the most");
}

#[test]
fn a_long_request_passes_in_constant_memory() {
    let length = Arc::new(AtomicU64::new(MIB));
    let of = Arc::clone(&length);
    let origin = raw_origin(move |stream| {
        read_head(&stream);
        let length = of.load(Ordering::SeqCst);
        assert_eq!(receive(&stream, length), length);
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        (&stream).write_all(answer).unwrap();
    });
    let gateway = config().pool("shared", &[origin], "").spawn();
    let pass = |count| {
        length.store(count, Ordering::SeqCst);
        let head = format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {count}\r\n\r\n");
        let stream = client(&gateway, &head);
        send(&stream, count);
        read_head(&stream);
    };
    pass(MIB);
    let before = gateway.memory();
    let peak = peak_of(&gateway, || pass(BODY));
    assert!(peak < before + GROWTH_MAX, "{before} octets before, {peak} at the most");
}

/// After a peak nobody asks for memory any more, and the allocator would keep all that the peak took.
#[test]
fn the_memory_of_a_peak_is_given_back() {
    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        held.pass();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    // The kernel drops what doesn't fit into the origin's backlog, and asks again after a second.
    let terms = "max_idle: 10000, timeouts: { connect: 10s }";
    let gateway = config().pool("shared", &[origin.address()], terms).spawn();
    // What it needs in any case it has from here on: on a busy machine it may still be starting. Of its program it lets go a second later,
    // which is as much as the peak: that is not counted.
    gateway.connect().ask(&get("nobody.test", "/")).assert_refused(404, "unknown_tenant");
    let before = gateway.own_memory();
    let mut clients: Vec<Client> = (0..PEAK).map(|_| gateway.connect()).collect();
    clients.iter_mut().for_each(|client| assert!(client.send(get(ACME, "/").bytes())));
    eventually("all requests are at the origin", || gate.waiting() == PEAK);
    let peak = gateway.own_memory() - before;
    gate.throw_open();
    clients.iter_mut().for_each(|client| client.answer().assert_status(200));
    drop(clients);
    // Half of the connections are still there: those to the endpoint.
    eventually("most of it is given back", || gateway.own_memory().saturating_sub(before) < peak / 2);
    assert_eq!(origin.open_connections(), PEAK);
}
