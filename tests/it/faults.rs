//! The fault matrix: each way in which an endpoint fails, for requests that may be repeated and those that may not. What the
//! client sees, how often the endpoint is asked, by when all is over, and that nothing is left behind: no connection,
//! seat, request in flight or task.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::{
    ACME, Ending, Gate, Message, Origin, Response, TestGateway, config, eventually, get, post,
    refused_address,
};

/// Deadlines short enough to be waited for.
const IMPATIENT: &str = "timeouts: { connect: 300ms, response_header: 300ms, idle: 300ms }, concurrency: { limit: 8 }, \
                         load_balancing: round_robin";

/// By when any of it is over: far beyond the deadlines, far below a hang.
const SOON: Duration = Duration::from_secs(5);

/// How an endpoint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refuses,
    BlackHole,
    ClosesAtOnce,
    ResetsBeforeHead,
    ResetsInHead,
    ResetsInBody,
    Truncates,
    StallsBeforeHead,
    StallsInBody,
    Garbage,
    Slow,
}

const FAULTS: [Fault; 11] = [
    Fault::Refuses,
    Fault::BlackHole,
    Fault::ClosesAtOnce,
    Fault::ResetsBeforeHead,
    Fault::ResetsInHead,
    Fault::ResetsInBody,
    Fault::Truncates,
    Fault::StallsBeforeHead,
    Fault::StallsInBody,
    Fault::Garbage,
    Fault::Slow,
];

/// What the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Refused(u16, &'static str),
    /// The head, and then a body that is visibly cut; or nothing of it.
    Cut,
    Whole,
}

impl Fault {
    fn seen(self) -> Seen {
        match self {
            Self::Refuses | Self::BlackHole => Seen::Refused(502, "upstream_connect"),
            Self::ClosesAtOnce | Self::ResetsBeforeHead | Self::ResetsInHead | Self::Garbage => {
                Seen::Refused(502, "upstream_protocol")
            }
            Self::StallsBeforeHead => Seen::Refused(504, "upstream_timeout"),
            Self::ResetsInBody | Self::Truncates | Self::StallsInBody => Seen::Cut,
            Self::Slow => Seen::Whole,
        }
    }

    fn kind(self) -> Option<&'static str> {
        match self {
            Self::Refuses | Self::BlackHole => Some("connect"),
            Self::ClosesAtOnce | Self::ResetsBeforeHead | Self::ResetsInBody | Self::Truncates => {
                Some("reset")
            }
            Self::ResetsInHead | Self::Garbage => Some("protocol"),
            Self::StallsBeforeHead | Self::StallsInBody => Some("timeout"),
            Self::Slow => None,
        }
    }
}

/// An endpoint with a fault; it holds what has to live as long as that.
struct Faulty {
    address: SocketAddr,
    origin: Option<Origin>,
    held: Gate,
    _sockets: Vec<socket2::Socket>,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        let held = Gate::shut();
        let gate = held.clone();
        let origin = match fault {
            Fault::Refuses => {
                let (address, socket) = refused_address();
                return Self { address, origin: None, held, _sockets: vec![socket] };
            }
            Fault::BlackHole => return Self::black_hole(held),
            Fault::ClosesAtOnce => Origin::on_request(|_, peer| drop(peer)),
            Fault::ResetsBeforeHead => Origin::on_request(|_, peer| peer.reset()),
            Fault::ResetsInHead => Origin::on_request(|_, mut peer| {
                peer.send("HTTP/1.1 200 OK\r\nContent-");
                peer.patience(Duration::from_millis(50));
                // Until the gateway has read that: a reset may overtake it.
                let _ = peer.fill();
                peer.reset();
            }),
            Fault::ResetsInBody => Origin::on_request(|_, mut peer| {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                peer.patience(Duration::from_millis(50));
                let _ = peer.fill();
                peer.reset();
            }),
            Fault::Truncates => Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            Fault::StallsBeforeHead => Origin::on_request(move |_, _kept| {
                gate.pass();
            }),
            Fault::StallsInBody => Origin::on_request(move |_, mut peer| {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                gate.pass();
            }),
            Fault::Garbage => Origin::answering_once("\0\0garbage\r\n\r\n"),
            Fault::Slow => Origin::serving(|_, peer| {
                for byte in "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".bytes() {
                    peer.send([byte]);
                    std::thread::yield_now();
                }
            }),
        };
        Self { address: origin.address(), origin: Some(origin), held, _sockets: Vec::new() }
    }

    /// A listener that never accepts, with its queue full: SYNs go unanswered.
    fn black_hole(held: Gate) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // One fills the queue.
        let filler = std::net::TcpStream::connect(address).unwrap();
        Self { address, origin: None, held, _sockets: vec![socket, filler.into()] }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.held.throw_open();
    }
}

/// What must be the same before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Left {
    tasks: f64,
    connections: f64,
    seats: f64,
    at_endpoints: f64,
    at_tenants: f64,
}

impl Left {
    fn of(gateway: &TestGateway) -> Self {
        let sum = |name: &str| gateway.metric(name, &[]);
        Self {
            tasks: sum("tollgate_worker_tasks"),
            connections: sum("tollgate_connections"),
            seats: sum("tollgate_pool_seats_in_use"),
            at_endpoints: sum("tollgate_endpoint_requests_in_flight"),
            at_tenants: sum("tollgate_requests_in_flight"),
        }
    }
}

fn ask(gateway: &TestGateway, message: &Message) -> (Response, Duration) {
    let since = Instant::now();
    let mut client = gateway.connect();
    let answer = client.ask(message);
    (answer, since.elapsed())
}

fn requests() -> [(&'static str, Message); 2] {
    [("GET", get(ACME, "/")), ("POST", post(ACME, "/", b"body"))]
}

#[test]
fn each_fault_has_its_answer_and_leaves_nothing_behind() {
    for fault in FAULTS {
        for (method, message) in requests() {
            let faulty = Faulty::new(fault);
            let gateway = config().pool("shared", &[faulty.address], IMPATIENT).start();
            let before = Left::of(&gateway);
            let (answer, took) = ask(&gateway, &message);
            let what = format!("{fault:?}, {method}: {answer:?}");
            match fault.seen() {
                Seen::Refused(status, code) => {
                    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}");
                }
                Seen::Cut => {
                    assert!(answer.status == 502 || answer.ending == Ending::Broken, "{what}");
                    assert_ne!(answer.body.len(), 10, "{what}");
                }
                Seen::Whole => assert_eq!((answer.status, answer.text().as_str()), (200, "slow"), "{what}"),
            }
            assert!(took < SOON, "{what} took {took:?}");
            if let Some(origin) = &faulty.origin {
                assert_eq!(origin.requests().len(), 1, "{what}: it is sent once");
            }
            for kind in ["connect", "reset", "timeout", "protocol", "status"] {
                let told = gateway.metric("tollgate_endpoint_failures_total", &[("kind", kind)]);
                let expected = f64::from(u8::from(fault.kind() == Some(kind)));
                assert_eq!(told, expected, "{what}: {kind}");
            }
            eventually(&format!("nothing is left of {fault:?}, {method}"), || Left::of(&gateway) == before);
            let idle = if fault == Fault::Slow { 1.0 } else { 0.0 };
            let open = gateway.metric("tollgate_upstream_connections", &[("pool", "shared")]);
            assert_eq!(open, idle, "{what}: connections to endpoints");
        }
    }
}

/// Beside an endpoint that works, what could be sent on is: only faults after a request may have had an effect are seen.
#[test]
fn beside_a_good_endpoint_what_was_not_sent_goes_there() {
    for fault in [Fault::Refuses, Fault::BlackHole] {
        for (method, message) in requests() {
            let faulty = Faulty::new(fault);
            let good = Origin::saying("good");
            let gateway = config().pool("shared", &[faulty.address, good.address()], IMPATIENT).start();
            let before = Left::of(&gateway);
            for _ in 0..4 {
                let (answer, took) = ask(&gateway, &message);
                assert_eq!((answer.status, answer.text().as_str()), (200, "good"), "{fault:?}, {method}");
                assert!(took < SOON, "{fault:?}, {method} took {took:?}");
            }
            assert_eq!(good.requests().len(), 4);
            eventually("nothing is left", || Left::of(&gateway) == before);
        }
    }
}

/// An endpoint that fails every other connection: whatever the mix, each request has one outcome, and nothing is left.
#[test]
fn a_flapping_endpoint_leaves_nothing_behind() {
    let origin = Origin::on_connection(|nth, mut peer| {
        if nth % 2 == 0 {
            peer.reset();
            return;
        }
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let gateway = config().to(&origin).start();
    let before = Left::of(&gateway);
    let mut seen = [0; 2];
    for nth in 0..40 {
        let (answer, _) = ask(&gateway, &requests()[nth % 2].1);
        match answer.status {
            200 => seen[0] += 1,
            502 => seen[1] += 1,
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    eventually("nothing is left", || Left::of(&gateway) == before);
}
