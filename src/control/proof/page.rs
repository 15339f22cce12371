//! The page of a web server that is to show the token.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::challenge::PATH;
use super::reach::is_allowed;
use super::sign::Sign;
use crate::upstream::dns::Resolver;

/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;
/// For a connection to one of them.
const CONNECT: Duration = Duration::from_secs(2);
/// What a head may have.
const HEAD_MAX: usize = 16 << 10;
/// What a page may have.
const PAGE_MAX: usize = 1 << 10;

/// Whom to ask.
pub(super) struct Door<'a> {
    pub host: &'a str,
    pub port: u16,
    /// Networks that are connected to beside the public ones.
    pub allow: &'a [IpNet],
}

/// What the host answers at the path of challenges. Redirects are not followed: they would lead to whatever host a stranger
/// names.
pub(super) async fn fetch(resolver: &Resolver, door: &Door<'_>) -> Result<Vec<u8>, Sign> {
    let stream = connect(resolver, door).await?;
    let host = match door.port {
        80 => door.host.to_owned(),
        port => format!("{}:{port}", door.host),
    };
    let request = Request::get(PATH)
        .header(HOST, host)
        .header(USER_AGENT, concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "text/plain, */*;q=0.1")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Sign::Broken)?;
    let shaken = http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|_| Sign::Broken)?;
    let mut answered = pin!(async move {
        let response = sender.send_request(request).await.map_err(|_| Sign::Broken)?;
        match response.status() {
            StatusCode::OK => read(response.into_body()).await,
            status if status.is_redirection() => Err(Sign::Redirect(status.as_u16())),
            status => Err(Sign::Status(status.as_u16())),
        }
    });
    tokio::select! {
        page = &mut answered => page,
        // All that came of it has been handed over.
        _ = connection => answered.await,
    }
}

/// Connects to the very address that was judged: no second look-up could lead elsewhere.
async fn connect(resolver: &Resolver, door: &Door<'_>) -> Result<TcpStream, Sign> {
    // The dot at its end: the system's search list is not for names of others.
    let found = resolver.addresses(&format!("{}.", door.host), door.port).await;
    let found = found.map_err(|error| if error.is_absence() { Sign::NoAddress } else { Sign::NoDns })?;
    let judged: Vec<SocketAddr> = found
        .into_iter()
        .filter(|address| is_allowed(address.ip(), door.allow))
        .take(ADDRESSES_MAX)
        .collect();
    if judged.is_empty() {
        return Err(Sign::NotPublic);
    }
    for address in judged {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(Sign::Unreachable)
}

async fn read(mut body: hyper::body::Incoming) -> Result<Vec<u8>, Sign> {
    let mut page = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Sign::Broken)?;
        let Ok(chunk) = frame.into_data() else { continue };
        if page.len() + chunk.len() > PAGE_MAX {
            return Err(Sign::TooLong);
        }
        page.extend_from_slice(&chunk);
    }
    Ok(page)
}
