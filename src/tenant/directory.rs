//! All tenants: those of the configuration, and behind them those that are kept elsewhere.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use super::cache::{Cast, Key, Lookup, SourceFault, TenantCache};
use super::{Configured, Tenant};
use crate::types::{KeyHash, TenantId};

/// Finds tenants. Immutable but for what is cached: a reload makes another.
#[derive(Debug, Default)]
pub struct Directory {
    configured: Configured,
    kept: Option<KeptTenants>,
}

/// The way to the tenants that the configuration doesn't have.
#[derive(Debug, Clone)]
pub struct KeptTenants {
    /// Where they are remembered.
    pub cache: Arc<TenantCache>,
    /// What makes them tenants of this configuration.
    pub cast: Arc<dyn Cast>,
}

/// What was looked up for one request: its keys, each with the tenant that it finds.
#[derive(Debug, Default)]
pub struct LookedUp {
    found: Vec<(Key, Option<Arc<Tenant>>)>,
    doubt: Cell<bool>,
}

impl Directory {
    /// The tenants of a configuration, and where there is one, the way to all others.
    #[must_use]
    pub fn new(configured: Configured, kept: Option<KeptTenants>) -> Self {
        Self { configured, kept }
    }

    /// Those of the configuration.
    #[must_use]
    pub fn configured(&self) -> &Configured {
        &self.configured
    }

    /// The tenant of an id. The configuration's own win over others of the same id.
    ///
    /// # Errors
    /// The key that has to be looked up first.
    pub fn by_id(&self, id: &str, looked_up: &LookedUp) -> Result<Option<Arc<Tenant>>, Key> {
        if let Some(tenant) = self.configured.by_id(id) {
            return Ok(Some(Arc::clone(tenant)));
        }
        let Some(KeptTenants { cache, cast }) = &self.kept else { return Ok(None) };
        if let Some(known) = looked_up.of(|key| matches!(key, Key::Id(own) if own.as_str() == id)) {
            return Ok(known.cloned());
        }
        match cache.by_id(id, &**cast) {
            Lookup::Found(tenant) => Ok(Some(tenant)),
            Lookup::Nobody => Ok(None),
            Lookup::NobodyThen => looked_up.doubt(),
            Lookup::NotHere => TenantId::parse(id).map_or(Ok(None), |id| Err(Key::Id(id))),
        }
    }

    /// The tenant of a host. The configuration's domains, wildcards too, win over others.
    ///
    /// # Errors
    /// As [`by_id`](Self::by_id).
    pub fn by_domain(&self, host: &str, looked_up: &LookedUp) -> Result<Option<Arc<Tenant>>, Key> {
        if let Some(tenant) = self.configured.by_domain(host) {
            return Ok(Some(Arc::clone(tenant)));
        }
        let Some(KeptTenants { cache, cast }) = &self.kept else { return Ok(None) };
        if let Some(known) = looked_up.of(|key| matches!(key, Key::Host(own) if **own == *host)) {
            return Ok(self.unless_configured(known.cloned()));
        }
        match cache.by_host(host, &**cast) {
            Lookup::Found(tenant) => Ok(self.unless_configured(Some(tenant))),
            Lookup::Nobody => Ok(None),
            Lookup::NobodyThen => looked_up.doubt(),
            Lookup::NotHere => Err(Key::Host(host.into())),
        }
    }

    /// The tenant that has an API key. Those of the configuration have none.
    ///
    /// # Errors
    /// As [`by_id`](Self::by_id).
    pub fn by_key(&self, hash: &KeyHash, looked_up: &LookedUp) -> Result<Option<Arc<Tenant>>, Key> {
        let Some(KeptTenants { cache, cast }) = &self.kept else { return Ok(None) };
        if let Some(known) = looked_up.of(|key| matches!(key, Key::ApiKey(own) if own == hash)) {
            return Ok(self.unless_configured(known.cloned()));
        }
        match cache.by_key(hash, &**cast) {
            Lookup::Found(tenant) => Ok(self.unless_configured(Some(tenant))),
            Lookup::Nobody => Ok(None),
            Lookup::NobodyThen => looked_up.doubt(),
            Lookup::NotHere => Err(Key::ApiKey(*hash)),
        }
    }

    /// A tenant that is kept under an id that the configuration has is not served: the id is the other's.
    fn unless_configured(&self, tenant: Option<Arc<Tenant>>) -> Option<Arc<Tenant>> {
        tenant.filter(|tenant| self.configured.by_id(tenant.id().as_str()).is_none())
    }

    /// Looks a key up where tenants are kept. Of one that was nobody's before there was no answer that is believed, but with doubt.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn look_up(
        &self,
        key: Key,
        looked_up: &mut LookedUp,
        patience: Duration,
    ) -> Result<(), SourceFault> {
        let tenant = match &self.kept {
            Some(KeptTenants { cache, cast }) => match cache.load(&key, &**cast, patience).await {
                Err(_) if cache.was_nobodys(&key) => {
                    looked_up.doubt.set(true);
                    None
                }
                loaded => loaded?,
            },
            None => None,
        };
        looked_up.found.push((key, tenant));
        Ok(())
    }
}

impl LookedUp {
    /// Whether a key is only believed to be nobody's: where tenants are kept there is no answer.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.doubt.get()
    }

    fn doubt(&self) -> Result<Option<Arc<Tenant>>, Key> {
        self.doubt.set(true);
        Ok(None)
    }

    /// What a key has found, if it was looked up.
    fn of(&self, is: impl Fn(&Key) -> bool) -> Option<Option<&Arc<Tenant>>> {
        self.found.iter().find(|(key, _)| is(key)).map(|(_, tenant)| tenant.as_ref())
    }
}
