//! `tollgate run`, and what signals do to a running gateway.

use std::path::PathBuf;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::supervisor::{Standing, Supervisor};
use crate::app::{Gateway, Options, Source};
use crate::listen;
use crate::telemetry::log::{self, LogFormat};
use crate::time::give_way;

pub(super) fn run(config: PathBuf) -> anyhow::Result<()> {
    // First: whoever starts a thread may read the environment.
    listen::take_inherited();
    log::init(LogFormat::Auto)?;
    // As HAProxy and nginx's worker_rlimit_nofile do: each proxied client takes two descriptors.
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => tracing::debug!(files, "file descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors stays as it is"),
    }
    ignore_file_size_signal();
    let signals = Signals::catch()?;
    let gateway = Gateway::start(Source::File(config), Options::default())?;
    serve(gateway, signals)
}

/// A file that may not grow any more is an error of whoever writes it, and no reason to end (setrlimit(2), `RLIMIT_FSIZE`).
fn ignore_file_size_signal() {
    // SAFETY: no handler of ours is installed: the signal is ignored.
    #[allow(unsafe_code)]
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Reload,
    End,
}

/// The signals that steer a gateway, caught from the moment that this is made.
pub(super) struct Signals {
    runtime: Runtime,
    asked: mpsc::Receiver<Asked>,
}

impl Signals {
    /// To be called before anything says that it listens: until then, a signal would kill the process.
    pub(super) fn catch() -> anyhow::Result<Self> {
        let (sender, asked) = mpsc::channel(8);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            for (kind, means) in [
                (SignalKind::hangup(), Asked::Reload),
                (SignalKind::terminate(), Asked::End),
                (SignalKind::interrupt(), Asked::End),
            ] {
                let mut signal = signal(kind)?;
                let sender = sender.clone();
                tokio::spawn(async move {
                    while signal.recv().await.is_some() {
                        if sender.send(means).await.is_err() {
                            break;
                        }
                    }
                });
            }
            anyhow::Ok(())
        })?;
        Ok(Self { runtime, asked })
    }
}

/// Serves until a signal ends it: the first drains, the second cuts.
pub(super) fn serve(gateway: Gateway, signals: Signals) -> anyhow::Result<()> {
    let Signals { runtime, asked: mut signals } = signals;
    // Reloads run here. The workers, which were started from here, are what they were.
    give_way();
    let supervisor = Supervisor::find();
    supervisor.tell(Standing::Ready);
    runtime.block_on(async {
        while let Some(asked) = signals.recv().await {
            match asked {
                // A failure is logged and shown by the gateway itself.
                Asked::Reload => {
                    supervisor.tell(Standing::Reloading);
                    drop(gateway.reload());
                    supervisor.tell(Standing::Ready);
                }
                Asked::End => break,
            }
        }
    });
    tracing::info!("draining: a second signal ends at once");
    supervisor.tell(Standing::Stopping);
    gateway.drain();
    thread::scope(|scope| {
        let (done, mut finished) = mpsc::channel::<()>(1);
        let waiting = &gateway;
        scope.spawn(move || {
            waiting.wait_drained();
            drop(done);
        });
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = finished.recv() => break,
                    asked = signals.recv() => if asked == Some(Asked::End) {
                        tracing::warn!("ending at once");
                        gateway.stop();
                    },
                }
            }
        });
    });
    drop(gateway);
    tracing::info!("ended");
    Ok(())
}
