//! One core's share: a thread with a runtime of its own, its sockets, its connections both ways.

mod reception;
mod shares;
mod turned_away;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle as Task, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

pub(super) use self::reception::Admission;
use self::reception::Reception;
use self::shares::Shares;
use super::memory;
use crate::http::server::Connections;
use crate::listen::{Acceptor, ConnectionCaps, ListeningSocket, Spread, accept_loop};
use crate::net;
use crate::proxy::{Proxy, SnapshotCell};
use crate::telemetry::Metrics;
use crate::telemetry::access_log::AccessLogSender;
use crate::time::be_prompt;
use crate::tls::PendingHandshakes;
use crate::upstream::UpstreamClient;

/// The thread has nothing to do at present.
fn pause() {
    net::send_what_waits();
    shares::pause();
}

/// What a worker shares with the others.
pub(super) struct WorkerShare {
    pub(super) snapshot: Arc<SnapshotCell>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) caps: Arc<ConnectionCaps>,
    pub(super) handshakes: Arc<PendingHandshakes>,
    pub(super) access_log: AccessLogSender,
}

/// What a worker is told. Told rarely: a reload or the end.
pub(super) enum Command {
    /// Accept on this socket, too.
    Listen {
        /// For the listener of this name.
        name: Arc<str>,
        /// As metrics call it.
        shown: Arc<str>,
        socket: ListeningSocket,
        /// This worker's part in its connections.
        spread: Spread<Admission>,
    },
    /// Accept no more for the listener of this name; connections stay.
    Unlisten(Arc<str>),
    /// Accept no more at all, and end when all connections have, at the latest then.
    Drain(Duration),
    /// End now.
    Stop,
}

/// A worker that runs.
pub(super) struct Worker {
    commands: mpsc::Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a worker's thread.
    pub(super) fn start(index: usize, share: WorkerShare) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel(256);
        let (started, outcome) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            be_prompt();
            net::take_turns();
            // A `LocalRuntime` can't leave the thread that it is made on.
            let mut builder = Builder::new_current_thread();
            match builder.enable_all().on_thread_park(pause).build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let tasks = runtime.handle().metrics();
                    share.metrics.worker_started(index, move || tasks.num_alive_tasks());
                    let _ = started.send(Ok(()));
                    runtime.block_on(run(share, inbox));
                    // Whatever is still open now has had its time.
                    runtime.shutdown_background();
                }
                Err(error) => drop(started.send(Err(error))),
            }
        })?;
        outcome.recv().map_err(std::io::Error::other)??;
        Ok(Self { commands, thread: Some(thread) })
    }

    /// Tells the worker something; a worker that has ended needs to be told nothing.
    pub(super) fn tell(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
            tracing::error!("a worker does not take commands");
        }
    }

    /// Its thread, to be joined; once.
    pub(super) fn take_thread(&mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }

    /// Waits for a worker's end.
    pub(super) fn join(thread: JoinHandle<()>) {
        if thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

/// A listener's accept loop.
struct Accepting {
    closed: watch::Sender<bool>,
    task: Task<()>,
}

async fn run(share: WorkerShare, mut inbox: mpsc::Receiver<Command>) {
    let upstream = Rc::new(UpstreamClient::default());
    let connections = Rc::new(Connections::default());
    let shares = Rc::new(Shares::new());
    let rounds = spawn_local(Rc::clone(&shares).keep());
    let proxy = Rc::new(Proxy::new(
        Arc::clone(&share.snapshot),
        Rc::clone(&upstream),
        Arc::clone(&share.metrics),
        share.access_log,
    ));
    let sweeper = spawn_local(sweep(Rc::clone(&upstream), Rc::clone(&proxy), Rc::clone(&connections)));
    let mut accepting: HashMap<Arc<str>, Accepting> = HashMap::new();
    let drain = loop {
        match inbox.recv().await {
            Some(Command::Listen { name, shown, socket, spread }) => {
                let local = local_of(&socket);
                let Ok(listener) = Acceptor::new(socket) else { continue };
                let (closed, is_closed) = watch::channel(false);
                let reception = Reception {
                    listener: Arc::clone(&name),
                    local,
                    meter: share.metrics.listener(&shown),
                    proxy: Rc::clone(&proxy),
                    connections: Rc::clone(&connections),
                    caps: Arc::clone(&share.caps),
                    handshakes: Arc::clone(&share.handshakes),
                    shares: Rc::clone(&shares),
                    metrics: Arc::clone(&share.metrics),
                    terms: RefCell::default(),
                };
                let _ = reception.terms_in(&proxy.snapshot());
                let task = spawn_local(accept_loop(listener, spread, is_closed, Rc::new(reception)));
                accepting.insert(name, Accepting { closed, task });
            }
            Some(Command::Unlisten(name)) => {
                if let Some(one) = accepting.remove(&name) {
                    close(one).await;
                }
            }
            Some(Command::Drain(within)) => break Some(within),
            Some(Command::Stop) | None => break None,
        }
    };
    for (_, one) in accepting.drain() {
        close(one).await;
    }
    if let Some(within) = drain {
        let deadline = Instant::now() + within;
        connections.drain();
        let mut stopped = false;
        loop {
            if connections.open() == 0 || Instant::now() >= deadline {
                break;
            }
            // Polled: the end of a connection has better things to do than to tell.
            let stop = timeout_at(deadline, inbox.recv());
            tokio::select! {
                () = sleep(Duration::from_millis(5)) => {}
                command = stop => if matches!(command, Ok(None | Some(Command::Stop))) {
                    stopped = true;
                    break;
                },
            }
        }
        if connections.open() > 0 && !stopped {
            tracing::warn!(connections = connections.open(), "drain deadline: cutting what is left");
        }
    }
    proxy.end();
    sweeper.abort();
    rounds.abort();
    upstream.close_idle();
}

/// Our side's address, where a socket has one.
fn local_of(socket: &ListeningSocket) -> SocketAddr {
    let address = match socket {
        ListeningSocket::Tcp(socket) => socket.local_addr().ok(),
        ListeningSocket::Unix(_) => None,
    };
    address.unwrap_or_else(|| SocketAddr::from(([0; 4], 0)))
}

async fn close(accepting: Accepting) {
    let _ = accepting.closed.send(true);
    if accepting.task.await.is_err() {
        tracing::error!("an accept loop panicked");
    }
}

async fn sweep(upstream: Rc<UpstreamClient>, proxy: Rc<Proxy>, connections: Rc<Connections>) {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = upstream.called() => {
                upstream.give_way();
                continue;
            }
        }
        proxy.look();
        connections.look();
        let snapshot = proxy.snapshot();
        let mut endpoints = HashSet::new();
        for pool in snapshot.pools.values() {
            endpoints.extend(pool.endpoints().iter().map(|endpoint| endpoint.id()));
        }
        upstream.sweep(|endpoint| endpoints.contains(&endpoint));
        memory::let_go();
    }
}
