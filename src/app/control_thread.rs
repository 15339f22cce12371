//! The thread that serves operators: admin listener, file watching, and what must be done now and then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::core::Core;
use super::gateway::ReloadFailure;
use super::{audit_kept, memory, program, tenants_kept, wardens, watch};
use crate::admin::{self, AdminState, Control, Explained, Limits, Reload, Token};
use crate::control::registry::Registry;
use crate::control::{EndpointChange, Question};
use crate::listen::{Acceptor, ListeningSocket, SocketFile};
use crate::time::give_way;

/// How often snapshots are freed that no request runs on any more.
const BURIAL: Duration = Duration::from_secs(1);

/// When a gateway has started: tenants' first certificates are read by then, and pools' first checks made.
const SETTLED: Duration = Duration::from_secs(1);

/// How often it is looked at which tenants deserve metric series of their own.
const REBALANCE: Duration = Duration::from_secs(30);

/// The control thread; dropping it ends it.
pub(super) struct ControlThread {
    admin: Option<SocketAddr>,
    /// Gone when this is.
    _file: Option<SocketFile>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A control thread that has what it needs of the system, and waits for what it is to look after.
pub(super) struct Prepared {
    begin: std::sync::mpsc::SyncSender<Begin>,
    thread: JoinHandle<()>,
}

/// What it is to look after.
struct Begin {
    core: Arc<Core>,
    socket: ListeningSocket,
    token: Option<Token>,
    stopped: oneshot::Receiver<()>,
}

impl Prepared {
    /// To be called before anybody is let in: clients could have taken the last descriptors by then.
    pub(super) fn new() -> anyhow::Result<Self> {
        let (begin, begun) = std::sync::mpsc::sync_channel(1);
        let (started, outcome) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("control".to_owned()).spawn(move || {
            // So do the threads that it has things done on that block.
            give_way();
            // A `LocalRuntime` can't leave the thread that it is made on.
            let runtime =
                match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(started.send(Err(error))),
                };
            let _ = started.send(Ok(()));
            let Ok(Begin { core, socket, token, stopped }) = begun.recv() else { return };
            runtime.block_on(async move {
                let Ok(listener) = Acceptor::new(socket) else { return };
                let state = AdminState {
                    metrics: Arc::clone(core.metrics()),
                    control: Arc::new(Steering(Arc::clone(&core))),
                    token,
                };
                let watching = tokio::spawn(watch::reload_on_change(Arc::clone(&core)));
                let rebalancing = tokio::spawn(rebalance(Arc::clone(&core)));
                let guarding = spawn_local(wardens::keep(core.watched_pools(), core.resolve()));
                let burying = tokio::spawn(bury(Arc::clone(&core)));
                let keeping = tokio::spawn(keep_quotas(Arc::clone(&core)));
                let tending = spawn_local(tenants_kept::look_after(Arc::clone(&core)));
                let retaining = tokio::spawn(audit_kept::keep(Arc::clone(&core)));
                let giving_back = spawn_local(memory::give_back());
                let letting_go = tokio::spawn(let_go_of_the_start());
                let issuing = spawn_local(Arc::clone(&core.foundation().certificates).run());
                let served = admin::serve(listener, state, async {
                    let _ = stopped.await;
                });
                if let Err(error) = served.await {
                    tracing::error!(%error, "the admin listener has failed");
                }
                watching.abort();
                rebalancing.abort();
                burying.abort();
                keeping.abort();
                tending.abort();
                retaining.abort();
                giving_back.abort();
                letting_go.abort();
                guarding.abort();
                issuing.abort();
            });
            // A reload that is under way on a blocking thread is not waited for: it holds what it needs.
            runtime.shutdown_background();
        })?;
        outcome.recv().map_err(std::io::Error::other)??;
        Ok(Self { begin, thread })
    }

    /// Looks after a gateway from now on.
    pub(super) fn look_after(self, core: Arc<Core>) -> anyhow::Result<ControlThread> {
        let admin = core.document().admin.clone();
        let bound = core.take_admin().context("admin.bind")?;
        let (address, file) = (bound.address, bound.file);
        let socket = bound.sockets.into_iter().next().context("admin.bind")?;
        let token = admin.token.as_ref().and_then(|token| Token::new(token.expose()));
        let (stop, stopped) = oneshot::channel::<()>();
        let begin = Begin { core, socket, token, stopped };
        self.begin.send(begin).ok().context("the control thread has ended")?;
        let shown = address.map_or_else(|| admin.bind.to_string(), |address| address.to_string());
        tracing::info!(address = %shown, "admin listening");
        Ok(ControlThread { admin: address, _file: file, stop: Some(stop), thread: Some(self.thread) })
    }
}

impl ControlThread {
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }
}

impl Drop for ControlThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the control thread panicked");
        }
    }
}

async fn rebalance(core: Arc<Core>) {
    let mut tick = interval(REBALANCE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        core.metrics().rebalance_tenants();
    }
}

async fn bury(core: Arc<Core>) {
    let mut tick = interval(BURIAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let core = Arc::clone(&core);
        // Not here, where operators and health checks would wait.
        let _ = spawn_blocking(move || core.bury_snapshots()).await;
    }
}

async fn let_go_of_the_start() {
    sleep(SETTLED).await;
    let _ = spawn_blocking(program::let_go).await;
}

async fn keep_quotas(core: Arc<Core>) {
    core.keeper().look_round().await;
}

/// What the admin API may do with the gateway.
struct Steering(Arc<Core>);

impl Control for Steering {
    fn ready(&self) -> Result<(), String> {
        if self.0.is_draining() { Err("draining".to_owned()) } else { Ok(()) }
    }

    fn key_set(&self) -> Option<Arc<str>> {
        self.0.key_set()
    }

    fn status(&self) -> Value {
        self.0.status()
    }

    fn tenant_limits(&self, id: &str) -> Limits<'_> {
        Box::pin(self.0.tenant_limits(id))
    }

    fn explain(&self, question: Question) -> Explained<'_> {
        Box::pin(self.0.explain(question))
    }

    fn registry(&self) -> Arc<Registry> {
        self.0.registry()
    }

    fn pools(&self) -> Value {
        self.0.pools()
    }

    fn pool(&self, name: &str) -> Result<Value, Value> {
        self.0.pool(name)
    }

    fn change_endpoint(&self, pool: &str, endpoint: &str, change: EndpointChange) -> Result<Value, Value> {
        self.0.change_endpoint(pool, endpoint, change)
    }

    fn reload(&self) -> Reload<'_> {
        let core = Arc::clone(&self.0);
        Box::pin(async move {
            // On a thread of its own: it reads files, and goes on to its end if the asker goes away.
            let outcome = spawn_blocking(move || core.reload().map(|()| core.status())).await;
            match outcome {
                Ok(Ok(status)) => Ok(status),
                Ok(Err(ReloadFailure::Config(report))) => Err(json!({
                    "title": "Invalid Configuration",
                    "detail": "The configuration has errors; nothing was changed.",
                    "status": 422,
                    "errors": report.diagnostics,
                })),
                Ok(Err(ReloadFailure::Resource(error))) => Err(json!({
                    "title": "Configuration Not Applicable",
                    "detail": format!("{error:#}; nothing was changed."),
                    "status": 409,
                })),
                Err(_) => Err(json!({ "title": "Reload Failed", "status": 500 })),
            }
        })
    }
}
