//! How the authority is talked to: HTTPS, within bounds of time and size.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::heard;

/// For one exchange.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);
/// For a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Octets of an answer: a chain has some thousand.
const ANSWER_MAX: usize = 1 << 20;
/// Connections that wait for the next exchange.
const IDLE_MAX: usize = 32;

/// The authority's server.
pub(super) struct Server(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Server {
    /// One that these authorities have to vouch for.
    ///
    /// # Errors
    /// TLS can't be set up.
    pub(super) fn trusting(roots: Arc<RootCertStore>) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        tcp.set_nodelay(true);
        // Not HTTP/2: one connection that stalls would hold up all orders, and be taken for those that come after, too.
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector.wrap_connector(tcp));
        Ok(Self(client))
    }
}

impl HttpClient for Server {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = self.0.request(request);
        Box::pin(async move {
            let late = |_| Error::Other("the authority did not answer within 30 seconds".into());
            // To its last octet: one that stops in the midst of it would hold up others, too.
            let whole = async {
                let response = exchange.await.map_err(|error| Error::Other(Box::new(error)))?;
                let (parts, body) = response.into_parts();
                let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(Error::Other)?;
                Ok::<_, Error>(Response::from_parts(parts, Full::new(body.to_bytes())))
            };
            let response = timeout(EXCHANGE_MAX, whole).await.map_err(late)??;
            heard::note(&response);
            Ok(BytesResponse::from(response))
        })
    }
}
