//! What holds for a tenant's requests and does not depend on who it is: one for all that differ in nothing from their plan.

use std::sync::Arc;
use std::time::Duration;

use super::{Features, Signing};
use crate::admission::fair_share::SeatTerms;
use crate::brand::Brand;
use crate::routing::{Cors, HeaderRules, RouteTable};
use crate::types::Access;
use crate::upstream::Pool;

/// Routes that lead to pools.
pub type Routes = RouteTable<Arc<Pool>>;

/// See the module.
#[derive(Debug)]
pub struct Terms {
    /// What stands before the id in the line that tells the application whose request it is: `x-tenant-id: `.
    pub identity: Arc<[u8]>,
    /// How applications are told of the tenant in a signed token, if they are.
    pub signing: Option<Arc<Signing>>,
    /// Which clients may come in.
    pub access: Access,
    /// Features that routes may require.
    pub features: Features,
    /// The part in the seats of each pool.
    pub seats: SeatTerms,
    /// How long a request waits for a seat.
    pub seat_wait_max: Duration,
    /// Octets that a request's body may have.
    pub request_body_max: u64,
    /// The tenant's own pool, else its plan's, else the default.
    pub pool: Option<Arc<Pool>>,
    /// Where requests go: the base routes, unless plan or tenant have others.
    pub routes: Arc<Routes>,
    /// How it looks; one for all that have nothing of their own.
    pub brand: Arc<Brand>,
    /// Which pages of other origins may use it, where its routes don't say; `None`: that is the application's own affair.
    pub cors: Option<Arc<Cors>>,
    /// Changes to requests' fields: the plan's, then the tenant's own.
    pub request_headers: Arc<[Arc<HeaderRules>]>,
    /// Changes to responses' fields: the plan's, then the tenant's own.
    pub response_headers: Arc<[Arc<HeaderRules>]>,
}
