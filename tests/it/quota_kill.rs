//! A quota over ten deaths: the binary is killed under load at random moments, and never admits one too many.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{ACME, Client, DEADLINE, Origin, Process, config, eventually, get};

/// Deaths.
const KILLS: usize = 10;
/// The quota.
const LIMIT: usize = 20_000;
/// What a death forfeits at most: less than two blocks, each a hundredth of the limit at most.
const FORFEITED_MAX: usize = 2 * LIMIT / 100;
/// Connections that ask at once.
const CONNECTIONS: usize = 8;

/// What is told of the answers of all lives.
#[derive(Default)]
struct Tally {
    /// 200 was read.
    admitted: AtomicUsize,
    /// 429 was read.
    refused: AtomicUsize,
    stop: AtomicBool,
}

/// Asks until told to stop, or the gateway is gone.
fn ask(address: std::net::SocketAddr, tally: &Tally) {
    let message = get(ACME, "/").bytes();
    let Ok(mut client) = Client::try_connect(address) else { return };
    while !tally.stop.load(Ordering::SeqCst) {
        if !client.send(&message) {
            return;
        }
        match client.response(false).ok() {
            Some(answer) if answer.status == 200 => tally.admitted.fetch_add(1, Ordering::SeqCst),
            Some(answer) if answer.status == 429 => tally.refused.fetch_add(1, Ordering::SeqCst),
            Some(answer) => {
                // The store was slow: nothing was charged, and nothing let in.
                answer.assert_refused(503, "quota_unavailable");
                0
            }
            None => return,
        };
    }
}

/// Loads a process until it has been killed, or has refused for good.
fn live(process: Process, tally: &Tally, until: impl FnOnce(&Tally) + Send) -> Process {
    let address = process.address();
    tally.stop.store(false, Ordering::SeqCst);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| ask(address, tally))).collect();
        until(tally);
        let process = process.kill_and_restart();
        tally.stop.store(true, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().unwrap());
        process
    })
}

#[test]
fn ten_kills_under_load_never_overrun_the_quota() {
    // Every request that reaches the origin was let in, whether its answer was read or not.
    let origin = Origin::saying("ok");
    let plan = format!(
        "{{ free: {{ on_outage: deny, quotas: [{{ name: yearly, meter: requests, limit: {LIMIT}, per: year }}] }} }}"
    );
    let mut process = config()
        .to(&origin)
        .set("plans", &plan)
        .set("workers", "2")
        .set("access_log", "{ sample: 0 }")
        .spawn();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let tally = Tally::default();
    for kill in 0..KILLS {
        let before = tally.admitted.load(Ordering::SeqCst);
        let more = random.usize(1..LIMIT / (2 * KILLS));
        let moment = Duration::from_micros(random.u64(..20_000));
        process = live(process, &tally, |tally| {
            eventually("it serves", || tally.admitted.load(Ordering::SeqCst) >= before + more);
            let killed_at = Instant::now() + moment;
            while Instant::now() < killed_at {
                thread::yield_now();
            }
        });
        assert_eq!(tally.refused.load(Ordering::SeqCst), 0, "life {kill}: so early nothing is used up");
    }
    // The last life goes on until it refuses everybody.
    live(process, &tally, |tally| {
        let deadline = Instant::now() + 4 * DEADLINE;
        while tally.refused.load(Ordering::SeqCst) < 10 * CONNECTIONS {
            let admitted = tally.admitted.load(Ordering::SeqCst);
            assert!(admitted <= LIMIT && Instant::now() < deadline, "{admitted} are let in");
            thread::park_timeout(Duration::from_millis(5));
        }
    });
    let (admitted, reached) = (tally.admitted.load(Ordering::SeqCst), origin.requests().len());
    println!("{admitted} answers of 200, {reached} requests at the origin, of {LIMIT}");
    assert!(admitted <= reached && reached <= LIMIT, "{admitted} and {reached} of {LIMIT}");
    // A request that was charged and had not reached the origin when its gateway died is forfeited, too.
    let forfeited = KILLS * (FORFEITED_MAX + CONNECTIONS);
    assert!(reached >= LIMIT - forfeited, "{reached} of {LIMIT}: more than {forfeited} are forfeited");
}
