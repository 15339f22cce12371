//! A reverse proxy of pingora's, as small as one can be that does the comparison's work.
//!
//! `pingora-peer LISTEN ORIGIN [TENANTS RATE IN_FLIGHT]`: two ports of 127.0.0.1, and, for work with tenants, a file of lines `host tenant` and the bounds
//! of each.

mod tenancy;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use pingora::http::RequestHeader;
use pingora::prelude::{HttpPeer, Opt, Result, Server};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;

use tenancy::{Seat, Tenancy};

/// Idle connections to the origin that are kept: more than any scenario opens.
const KEPT: usize = 16_384;

struct Proxy {
    origin: SocketAddr,
    tenancy: Option<Arc<Tenancy>>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    /// Whose the request is, while it is under way.
    type CTX = Option<Seat>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    async fn request_filter(&self, session: &mut Session, seat: &mut Self::CTX) -> Result<bool> {
        let Some(tenancy) = &self.tenancy else { return Ok(false) };
        let host = session.req_header().headers.get("host").and_then(|host| host.to_str().ok());
        match tenancy.admit(host.unwrap_or_default()) {
            Ok(admitted) => {
                *seat = Some(admitted);
                Ok(false)
            }
            Err(status) => {
                session.respond_error(status).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, _seat: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        seat: &mut Self::CTX,
    ) -> Result<()> {
        if let Some(seat) = seat {
            request.insert_header("X-Tenant-Id", seat.tenant())?;
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (listen, origin, tenancy) = match arguments.as_slice() {
        [listen, origin] => (listen, origin, None),
        [listen, origin, tenants, rate, in_flight] => {
            let tenants = std::fs::read_to_string(tenants)?;
            (listen, origin, Some(Arc::new(Tenancy::new(&tenants, rate.parse()?, in_flight.parse()?))))
        }
        _ => return Err("pingora-peer LISTEN ORIGIN [TENANTS RATE IN_FLIGHT]".into()),
    };
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: KEPT, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let proxy = Proxy { origin: SocketAddr::from((Ipv4Addr::LOCALHOST, origin.parse()?)), tenancy };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(&format!("127.0.0.1:{listen}"));
    server.add_service(service);
    server.run_forever()
}
