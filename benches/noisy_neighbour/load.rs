//! One measurement's load: all of a plan's groups, warm-up first, then the window.
//!
//! It prints `begin` a little before the window and `end` a little after it, so that `run` can read the origin's
//! counters and the gateway's CPU time without standing in the window's way; the load goes on until then.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::closed;
use crate::open::{self, Stream};
use crate::plan::{Arrivals, Group, Plan};
use crate::tally::Tally;

/// How long before the window `begin` is printed.
const NOTICE: Duration = Duration::from_millis(150);
/// How long after it `end` is printed: most of its requests have their answers by then.
const LATER: Duration = Duration::from_millis(50);
/// How long after that the load goes on at the least, so that `end` finds it at work.
const AFTER: Duration = Duration::from_millis(100);
/// From the last connection to the first request.
const LEAD: Duration = Duration::from_millis(20);
/// Time to connect in, for as many connections as any plan has.
const CONNECT: Duration = Duration::from_millis(1_500);

/// Returns the groups' tallies as JSON.
pub async fn run(plan: Plan) -> Result<String, Box<dyn Error>> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let start = Instant::now() + CONNECT;
    let begin = start + plan.warmup();
    let end = begin + plan.measure();
    let (go, gone) = watch::channel(false);
    let mut load = Load { plan: &plan, tasks: JoinSet::new(), streams: Vec::new(), tallies: Vec::new() };
    for group in &plan.groups {
        let tally = Rc::new(RefCell::new(Tally::new(begin..end)));
        load.tallies.push((group.name.clone(), Rc::clone(&tally)));
        load.prepare(group, &tally, &gone).await?;
    }
    let Load { mut tasks, streams, tallies, .. } = load;
    if Instant::now() + LEAD > start {
        return Err("the connections took too long to open".into());
    }

    let awaited = Rc::new(Cell::new(0));
    tokio::time::sleep_until(start.into()).await;
    go.send(true)?;
    let sending = open::send_all(streams, start, plan.seed, Rc::clone(&awaited));
    let sending = async {
        sending.await?;
        // Without open loops there is nothing to send, and that is no end.
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        failed = sending => failed?,
        () = window(&plan, begin, end, &awaited) => {}
    }
    tasks.abort_all();
    let reports: std::collections::BTreeMap<_, _> =
        tallies.iter().map(|(name, tally)| (name, tally.borrow_mut().report())).collect();
    Ok(serde_json::to_string(&reports)?)
}

struct Load<'a> {
    plan: &'a Plan,
    tasks: JoinSet<()>,
    streams: Vec<Stream>,
    tallies: Vec<(String, Rc<RefCell<Tally>>)>,
}

impl Load<'_> {
    /// Opens a group's connections.
    async fn prepare(
        &mut self,
        group: &Group,
        tally: &Rc<RefCell<Tally>>,
        gone: &watch::Receiver<bool>,
    ) -> Result<(), Box<dyn Error>> {
        let failed = |failure| format!("{}: {failure:?}", group.name);
        for request in group.requests() {
            let request: Rc<[u8]> = request.into();
            match group.arrivals {
                Arrivals::Closed { connections } => {
                    for _ in 0..connections {
                        let mut client = Client::new(self.plan.address);
                        client.connect().await.map_err(failed)?;
                        let (request, tally) = (Rc::clone(&request), Rc::clone(tally));
                        let connection = closed::connection(client, request, tally, gone.clone());
                        self.tasks.spawn_local(connection);
                    }
                }
                Arrivals::Open { rate_per_s, poisson, connections } => {
                    let stream =
                        Stream::new(request, rate_per_s, poisson, self.plan.address, Rc::clone(tally));
                    stream.connect(connections).await.map_err(failed)?;
                    self.streams.push(stream);
                }
            }
        }
        Ok(())
    }
}

/// Tells when the window begins and ends, and waits for the answers that its requests still lack.
async fn window(plan: &Plan, begin: Instant, end: Instant, awaited: &Cell<usize>) {
    tokio::time::sleep_until((begin - NOTICE).into()).await;
    println!("begin");
    tokio::time::sleep_until((end + LATER).into()).await;
    println!("end");
    tokio::time::sleep_until((end + LATER + AFTER).into()).await;
    let patience = end + plan.drain();
    while awaited.get() > 0 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
