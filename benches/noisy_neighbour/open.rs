//! The quiet tenants: requests at moments that were drawn before, whatever became of those before them.
//! Latency counts from the intended moment, so that a load which comes late doesn't hide a wait.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Client, Failure};
use crate::tally::Tally;
use crate::timer::Timer;

/// Requests of one tenant at once; more are counted as errors, not sent.
const IN_FLIGHT_MAX: usize = 2_048;
/// Between two requests at the least, so that a rate of nonsense stays finite.
const GAP_MIN: Duration = Duration::from_micros(10);

/// One tenant's requests.
pub struct Stream {
    request: Rc<[u8]>,
    rate_per_s: f64,
    poisson: bool,
    address: SocketAddr,
    tally: Rc<RefCell<Tally>>,
    /// Connections that nobody uses, the longest unused first.
    idle: Rc<RefCell<VecDeque<Client>>>,
    in_flight: Rc<Cell<usize>>,
}

impl Stream {
    pub fn new(
        request: Rc<[u8]>,
        rate_per_s: f64,
        poisson: bool,
        address: SocketAddr,
        tally: Rc<RefCell<Tally>>,
    ) -> Self {
        let idle = Rc::default();
        Self { request, rate_per_s, poisson, address, tally, idle, in_flight: Rc::default() }
    }

    /// Opens connections before the start: to connect is no part of what is measured.
    pub async fn connect(&self, connections: usize) -> Result<(), Failure> {
        for _ in 0..connections {
            let mut client = Client::new(self.address);
            client.connect().await?;
            self.idle.borrow_mut().push_back(client);
        }
        Ok(())
    }

    /// The first moment: anywhere in the first gap, so that tenants don't ask in step.
    fn first_gap(&self, random: &mut fastrand::Rng) -> Duration {
        gap(random.f64() / self.rate_per_s)
    }

    fn next_gap(&self, random: &mut fastrand::Rng) -> Duration {
        let times = if self.poisson { -(1.0 - random.f64()).ln() } else { 1.0 };
        gap(times / self.rate_per_s)
    }

    /// Sends the request of moment `at` from a task of its own. `awaited` counts the window's.
    fn send(&self, at: Instant, awaited: &Rc<Cell<usize>>, tasks: &mut JoinSet<()>) {
        let counts = self.tally.borrow_mut().intends(at);
        if self.in_flight.get() >= IN_FLIGHT_MAX {
            self.tally.borrow_mut().ended(at, at, Err(Failure::Connect));
            return;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        awaited.set(awaited.get() + usize::from(counts));
        let mut client = self.idle.borrow_mut().pop_front().unwrap_or_else(|| Client::new(self.address));
        let (request, tally) = (Rc::clone(&self.request), Rc::clone(&self.tally));
        let (idle, in_flight, awaited) =
            (Rc::clone(&self.idle), Rc::clone(&self.in_flight), Rc::clone(awaited));
        tasks.spawn_local(async move {
            let outcome = client.ask(&request).await;
            tally.borrow_mut().ended(at, at, outcome);
            idle.borrow_mut().push_back(client);
            in_flight.set(in_flight.get() - 1);
            awaited.set(awaited.get() - usize::from(counts));
        });
    }
}

/// Sends what all `streams` are to send from `start` on; never ends by itself, except in an error.
pub async fn send_all(
    streams: Vec<Stream>,
    start: Instant,
    seed: u64,
    awaited: Rc<Cell<usize>>,
) -> io::Result<()> {
    let timer = Timer::new()?;
    let mut tasks = JoinSet::new();
    let mut due = BinaryHeap::new();
    // Each tenant draws for itself: its moments do not depend on who else is there.
    let mut randoms: Vec<fastrand::Rng> = Vec::new();
    for (number, stream) in (0_u64..).zip(&streams) {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
        due.push(Reverse((start + stream.first_gap(&mut random), randoms.len())));
        randoms.push(random);
    }
    while let Some(Reverse((at, number))) = due.pop() {
        timer.sleep_until(at).await?;
        while tasks.try_join_next().is_some() {}
        let (Some(stream), Some(random)) = (streams.get(number), randoms.get_mut(number)) else { continue };
        stream.send(at, &awaited, &mut tasks);
        due.push(Reverse((at + stream.next_gap(random), number)));
    }
    Ok(())
}

fn gap(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).clamp(GAP_MIN, Duration::from_secs(3_600))
}
