//! One configuration, compiled: what a request holds from its start to its end.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashSet;

use crate::http::client_addr::TrustedProxies;
use crate::http::hop_by_hop::Reserved;
use crate::http::server::ServerSettings;
use crate::routing::RouteTable;
use crate::tenant::{Directory, Identify};
use crate::upstream::{EndpointId, Pool};

/// Where routes lead when they name a pool.
pub type RouteTarget = Arc<Pool>;

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
    /// All routes.
    pub routes: RouteTable<RouteTarget>,
    /// The endpoints of all pools: connections to others are closed.
    pub endpoints: HashSet<EndpointId>,
    /// Field names that clients may not use.
    pub reserved: Arc<Reserved>,
    /// Bounds and deadlines of the connections that are accepted from now on.
    pub server: ServerSettings,
    /// Whether requests are logged.
    pub access_log: bool,
}

/// The snapshot in force, for all workers.
pub type SnapshotCell = ArcSwap<Snapshot>;
