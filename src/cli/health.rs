//! `tollgate health`: a health check for containers that have no curl.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::client::Address;

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where a Unix socket is asked, which has no path in its address.
const READY: &str = "/readyz";

pub(super) fn health(url: &str) -> anyhow::Result<()> {
    let address = Address::parse(url).with_context(|| format!("--url {url}"))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { timeout(PATIENCE, ask(&address)).await.context("no answer in time")? })
}

async fn ask(address: &Address) -> anyhow::Result<()> {
    let path = match address {
        Address::Unix(_) => READY,
        Address::Url { .. } if address.path().is_empty() => "/",
        Address::Url { .. } => address.path(),
    };
    let stream = address.connect().await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, address.authority()?).body(Empty::<Bytes>::new())?;
    let status = sender.send_request(request).await?.status();
    if status.is_success() { Ok(()) } else { bail!("{address} answers {path} with {status}") }
}
