//! `tollgate health`: a health check for containers that have no curl.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn health(url: &str) -> anyhow::Result<()> {
    let url: Uri = url.parse().context("--url is no URL; write it like http://127.0.0.1:9900/readyz")?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { timeout(PATIENCE, ask(&url)).await.context("no answer in time")? })
}

async fn ask(url: &Uri) -> anyhow::Result<()> {
    let (Some("http"), Some(host)) = (url.scheme_str(), url.host()) else {
        bail!("--url must be like http://127.0.0.1:9900/readyz");
    };
    let host = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80))).await;
    let stream = stream.with_context(|| format!("{url} can't be connected to"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, url.authority().map_or("", |authority| authority.as_str()))
        .body(Empty::<Bytes>::new())?;
    let status = sender.send_request(request).await?.status();
    if status.is_success() { Ok(()) } else { bail!("{url} answers {status}") }
}
