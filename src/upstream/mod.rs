//! Pools, their endpoints, and the one narrow seam to them: a request in, a response's head and body out.
//!
//! The HTTP/1.1 client is our own and runs on the request's own task: `outbox` sends what `text` encodes (`cargo` is what goes next, `replay` keeps what may have to be sent once more),
//! `inbox` reads heads and framing, `io` is the stream of bytes (`tls` secures it), `line` a connection over it and the
//! store of idle ones, `retirement` cuts those to endpoints that were removed, `way` finds the one to go by (`search` opens it, or waits for it where the pool has no room for more: `open`), `client` puts them together. To endpoints that speak HTTP/2, `http2` does the same over streams of one connection; with the feature `hyper-upstream`, `hyper1` does it by hyper's HTTP/1.1 client. Which endpoint, whether again, and until when is decided above (`proxy::forward`).

mod balancing;
mod body;
mod cargo;
mod client;
mod connect;
mod discovery;
pub mod dns;
mod endpoint;
mod fitness;
mod heirs;
mod http2;
#[cfg(feature = "hyper-upstream")]
mod hyper1;
mod inbox;
mod io;
mod line;
mod open;
mod outbox;
mod patience;
mod pool;
mod probe;
mod progress;
mod replay;
mod retirement;
mod retries;
mod search;
mod text;
mod time_left;
mod tls;
mod unverified;
mod vitals;
mod warden;
mod way;

pub use balancing::{Balancing, Choice, HashOf};
pub use body::{ResponseFailure, UpstreamBody};
pub use client::{Answer, SendFailure, Terms, Upgraded, UpstreamClient};
pub use connect::ConnectFailure;
pub use discovery::Source;
pub use endpoint::{Address, Endpoint, EndpointId, Protocol, Running};
pub use inbox::ResponseHeads;
pub use io::{Io, Socket};
pub use open::Open;
pub use outbox::Outbox;
pub use pool::{Pool, PoolTerms, Timeouts};
pub use probe::{HealthChecks, HttpProbe, Probe};
pub use retries::RetryTerms;
pub use text::head_text;
pub use tls::{ClientTls, IdentityPem, Roots, TlsTerms, TlsTermsError, Trust, roots_from_pem, system_roots};
pub use vitals::Vitals;
pub use warden::watch_over;
