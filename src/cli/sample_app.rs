//! `tollgate sample-app`: one of the demo's applications alone, for the compose file.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::sample_app::{SampleApp, serve};

pub(super) fn sample_app(bind: SocketAddr, app: SampleApp) -> anyhow::Result<()> {
    let listener = TcpListener::bind(bind).with_context(|| format!("can't listen on {bind}"))?;
    eprintln!("sample application {} listens on {}", app.name, listener.local_addr()?);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve(listener, app, stop).await?;
        Ok(())
    })
}
