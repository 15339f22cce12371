//! `tollgate demo`: the whole thing in one process, to be tried with curl.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::run::{self, Signals};
use crate::app::{Gateway, Options, Source};
use crate::demo::sample_app::{SampleApp, serve};
use crate::demo::{Applications, banner, document};
use crate::telemetry::log::{self, LogFormat};

pub(super) fn demo(port: u16, admin_port: u16) -> anyhow::Result<()> {
    log::init(LogFormat::Auto)?;
    let signals = Signals::catch()?;
    let (stop, stopped) = watch::channel(());
    let mut addresses = Vec::new();
    let mut applications = Vec::new();
    for (name, pool) in [("app-1", "shared"), ("app-2", "shared"), ("acme-1", "acme-dedicated")] {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("can't start a sample application")?;
        addresses.push(listener.local_addr()?);
        let identity = SampleApp { name: name.to_owned(), pool: pool.to_owned(), branded: true };
        applications.push((listener, identity));
    }
    let [one, two, dedicated] = <[SocketAddr; 3]>::try_from(addresses).unwrap_or_else(|_| unreachable!());
    let text = document(port, admin_port, Applications { shared: [one, two], dedicated });
    let threads: Vec<_> = applications
        .into_iter()
        .map(|(listener, identity)| {
            let mut stopped = stopped.clone();
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(serve(listener, identity, async move { drop(stopped.changed().await) }))
            })
        })
        .collect();
    // In a file, so that a change of it can be watched at work. It goes with the demo.
    let folder =
        tempfile::Builder::new().prefix("tollgate-demo-").tempdir().context("no temporary folder")?;
    let file = folder.path().join("tollgate.yaml");
    std::fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
    let gateway = Gateway::start(Source::File(file.clone()), Options::default())
        .context("the demo can't start (other ports: tollgate demo --port 8081 --admin-port 9901)")?;
    println!("{}", banner(port, admin_port, &file.display().to_string()));
    std::io::stdout().flush()?;
    run::serve(gateway, signals)?;
    drop(stop);
    for thread in threads {
        if let Ok(served) = thread.join() {
            served.context("a sample application failed")?;
        }
    }
    Ok(())
}
