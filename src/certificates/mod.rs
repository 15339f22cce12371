//! Certificates of tenants' own domains: at hand for handshakes, ordered when they are wanted, renewed in time.
//!
//! ```text
//! handshake ──> Shelf (bounded) ──> store: whose is the name, what does it have ──> Ready
//!     │ none, and the name is verified: waits                                        ^
//!     └──> asks ──> Queue (a name of each tenant in turn) ──> attempt ──> acme::Authority, store
//! names that are due, domains that were verified ──^
//! a new configuration, a resumed tenant ──> adoption ──^
//! ```
//!
//! Handshakes wait on the workers; everything else is done on one thread that serves no request ([`Certificates::run`]). Nothing is loaded
//! at the start: a certificate is read when it is asked for, and the store knows what is due.

mod adoption;
mod attempt;
mod encryption;
mod engine;
mod forecast;
mod handshake;
mod names;
mod queue;
mod shared;
mod shelf;
mod upkeep;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::acme::{Authority, AuthorityTerms, Challenge, Challenges, Step, Trouble};
use crate::store::{AcmeBudgets, DueName, KeptCertificate, Store};
use crate::telemetry::AcmeMeter;
use crate::types::{EncryptionKeys, TenantId};

pub use encryption::Unreadable;
pub use forecast::{Forecast, Hindrance, by_file};
pub use handshake::AtHandshakes;

use shared::Seeks;
use shelf::Shelf;

/// Whose names are by the configuration.
pub trait Owners: Send + Sync + fmt::Debug {
    /// The tenant that has exactly this name, and whether certificates are ordered for it.
    fn of(&self, name: &str) -> Option<(TenantId, bool)>;
    /// Whether there is such a tenant: the store's of the same id is not served.
    fn has(&self, tenant: &TenantId) -> bool;
    /// The file whose certificate clients are shown that ask for this name, on every listener that orders some: then none is ordered.
    fn file_for(&self, name: &str) -> Option<Arc<str>>;
    /// Its tenants' names, without wildcards.
    fn names(&self) -> Vec<DueName>;
}

/// How certificates are ordered.
#[derive(Debug, Clone)]
pub struct CertificateTerms {
    /// From whom.
    pub authority: AuthorityTerms,
    /// What private keys are encrypted with.
    pub keys: EncryptionKeys,
    /// How it is shown that a name leads here, the first to be tried first.
    pub challenges: Vec<Challenge>,
    /// How long a handshake waits.
    pub issue_timeout: Duration,
    /// Whether a handshake has one ordered.
    pub on_demand: bool,
    /// How many orders there may be.
    pub budgets: AcmeBudgets,
    /// The addresses that clients reach the gateway at, where they are known.
    pub addresses: Vec<IpAddr>,
}

/// Under which configuration.
#[derive(Debug)]
pub struct InForce {
    /// Its terms.
    pub terms: CertificateTerms,
    /// Whose names are by it.
    pub owners: Arc<dyn Owners>,
    /// Where certificates are kept.
    pub store: Arc<Store>,
}

/// What the thread is asked for.
#[derive(Debug)]
enum Ask {
    /// An order, for whoever waits in a handshake, or at once for an operator.
    Order { name: Box<str>, tenant: TenantId, at_once: bool },
    /// Something about this name has changed, or may have.
    Look(Box<str>),
}

/// What the thread is asked for at a time, at most; of what is not asked for it learns from the store.
const ASKS_MAX: usize = 4_096;
/// Names that are looked up in the store at a time for handshakes.
const LOOKUPS_MAX: usize = 64;

/// See the module.
pub struct Certificates {
    in_force: ArcSwapOption<InForce>,
    shelf: Shelf,
    challenges: Arc<Challenges>,
    /// Those that handshakes wait for; the sender goes when it is decided.
    flights: Mutex<HashMap<Box<str>, watch::Sender<()>>>,
    /// How far orders have come.
    steps: Mutex<HashMap<Box<str>, Step>>,
    asks: mpsc::Sender<Ask>,
    asked: Mutex<Option<mpsc::Receiver<Ask>>>,
    authority: tokio::sync::Mutex<Option<Opened>>,
    lookups: Semaphore,
    seeks: Seeks,
    /// Whether the configuration in force may have mended what names wait for.
    mended: AtomicBool,
    /// For one order, where a test wants it otherwise.
    order_max: OnceLock<Duration>,
    meter: AcmeMeter,
    /// What this process is known by where several share a store.
    holder: Box<str>,
}

/// The authority as it was opened, or why it could not be, under a configuration.
struct Opened {
    under: Arc<InForce>,
    at: Instant,
    outcome: Result<Authority, Trouble>,
}

impl Certificates {
    /// None yet, and nobody to order from.
    #[must_use]
    pub fn new(meter: AcmeMeter) -> Arc<Self> {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let certificates = Arc::new(Self {
            in_force: ArcSwapOption::empty(),
            shelf: Shelf::default(),
            challenges: Arc::default(),
            flights: Mutex::default(),
            steps: Mutex::default(),
            asks,
            asked: Mutex::new(Some(asked)),
            authority: tokio::sync::Mutex::new(None),
            lookups: Semaphore::new(LOOKUPS_MAX),
            seeks: Seeks::default(),
            mended: AtomicBool::new(false),
            order_max: OnceLock::new(),
            meter,
            holder: format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into(),
        });
        let own: Weak<Self> = Arc::downgrade(&certificates);
        certificates.challenges.seek_at(own);
        certificates
    }

    /// Goes on under this configuration; `None`: nobody is ordered from, and nothing is shown. Where the settings have `changed`, what
    /// they may have mended is tried again.
    pub fn adopt(&self, in_force: Option<InForce>, changed: bool) {
        self.in_force.store(in_force.map(Arc::new));
        self.mended.fetch_or(changed, Ordering::AcqRel);
        self.shelf.forget_all();
    }

    /// What authorities are answered.
    #[must_use]
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// The configuration in force, where certificates are ordered.
    #[must_use]
    pub fn in_force(&self) -> Option<Arc<InForce>> {
        self.in_force.load_full()
    }

    /// These names have come to a tenant, or gone from one.
    pub fn forget<'n>(&self, names: impl Iterator<Item = &'n str>) {
        for name in names.filter(|name| !name.starts_with("*.")) {
            self.shelf.forget(name);
            // Where there is no room the store is looked through later.
            let _ = self.asks.try_send(Ask::Look(name.into()));
        }
    }

    /// Anything may have changed.
    pub fn forget_all(&self) {
        self.shelf.forget_all();
    }

    /// Has a certificate ordered now, whether it is time or not. Whether there was room for it.
    #[must_use]
    pub fn order_now(&self, name: &str, tenant: TenantId) -> bool {
        self.shelf.forget(name);
        self.asks.try_send(Ask::Order { name: name.into(), tenant, at_once: true }).is_ok()
    }

    /// Has an order end that has taken so long.
    pub fn bound_orders(&self, within: Duration) {
        let _ = self.order_max.set(within);
    }

    /// How far an order for a name has come, if one is under way.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Sender<()>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("shelf", &self.shelf).finish_non_exhaustive()
    }
}

/// Why a certificate that is kept can't be shown, if it can't.
#[must_use]
pub fn unreadable(force: &InForce, kept: &KeptCertificate) -> Option<String> {
    names::read(force, kept).err()
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
