//! One configuration, compiled: what a request holds from its start to its end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use http::HeaderValue;

use crate::acme::Challenges;
use crate::brand::Brand;
use crate::http::client_addr::TrustedProxies;
use crate::http::conn::HttpsRedirect;
use crate::http::hop_by_hop::Reserved;
use crate::http::server::ServerSettings;
use crate::tenant::{Directory, Identify, Routes};
use crate::tls::ServerTls;
use crate::upstream::Pool;

/// A snapshot whose users are counted on their worker alone: a count that all workers changed with each request would go from core to core.
#[allow(clippy::redundant_allocation)] // the point of it
pub(super) type OwnSnapshot = Rc<Arc<Snapshot>>;

/// Where routes lead when they name a pool.
pub type RouteTarget = Arc<Pool>;

/// How a listener receives connections.
#[derive(Debug, Default)]
pub struct ListenerTerms {
    /// TLS; `None`: clients speak in the clear.
    pub tls: Option<Arc<ServerTls>>,
    /// Whether the application is told of clients' certificates.
    pub tells_client: bool,
    /// Where requests are led that come in the clear; `None`: they are served.
    pub https_redirect: Option<HttpsRedirect>,
    /// What answers say in Strict-Transport-Security.
    pub hsts: Option<HeaderValue>,
    /// Every connection begins with a PROXY header, which must have come within this; `None`: none does.
    pub announced_within: Option<Duration>,
}

/// How each listener, by its name, receives connections.
pub type Listeners = HashMap<Arc<str>, Arc<ListenerTerms>>;

/// Everything that a request's way depends on. Never changed: a reload makes another, and requests
/// in flight finish on the one that they began with.
#[derive(Debug)]
pub struct Snapshot {
    /// How many configurations were loaded before it.
    pub generation: u64,
    /// Whose forwarding and tenant fields are believed.
    pub trusted: TrustedProxies,
    /// How tenants are found.
    pub identify: Identify,
    /// All tenants.
    pub directory: Directory,
    /// The base routes. A tenant's own are in its terms.
    pub routes: Arc<Routes>,
    /// All pools by name. Connections to endpoints of none of them are closed.
    pub pools: HashMap<Arc<str>, Arc<Pool>>,
    /// How the gateway looks where no tenant is known.
    pub brand: Arc<Brand>,
    /// Field names that clients may not use.
    pub reserved: Arc<Reserved>,
    /// Bounds and deadlines of the connections that are accepted from now on.
    pub server: Arc<ServerSettings>,
    /// Requests over HTTP/2 that one tenant may have under way.
    pub tenant_streams_max: Option<u32>,
    /// Connections that one tenant's requests may come by.
    pub tenant_connections_max: Option<u32>,
    /// How each listener, by its name, receives the connections that are accepted from now on.
    pub listeners: Listeners,
    /// What authorities that certificates are ordered from are answered.
    pub challenges: Arc<Challenges>,
    /// Whether requests are logged.
    pub access_log: bool,
    /// The public keys that what applications are told is signed with, as they are published; `None` where nothing is.
    pub key_set: Option<Arc<str>>,
}

impl Snapshot {
    /// The pool that takes a pool's requests at this moment: itself, or the first of those that stand in for it that is
    /// able to. Where none is, itself: it was to serve them.
    #[must_use]
    pub fn serving<'s>(&'s self, pool: &'s Arc<Pool>) -> &'s Arc<Pool> {
        let mut next = pool.stand_in();
        // As many steps as there are pools: whoever follows a circle would not come back.
        for _ in 0..self.pools.len() {
            let Some(other) = next.and_then(|name| self.pools.get(name)) else { break };
            if !other.is_ill() {
                return other;
            }
            next = other.stand_in();
        }
        pool
    }
}

/// The snapshot in force, for all workers.
pub type SnapshotCell = ArcSwap<Snapshot>;
