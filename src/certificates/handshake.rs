//! What handshakes are given, and what they wait for.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::timeout;

use super::names::{Seen, is_name};
use super::{Ask, Certificates, InForce, now_ms};
use crate::tls::{Fetching, OnDemand};
use crate::types::TenantId;

/// How long a handshake waits for the store.
const STORE_MAX: Duration = Duration::from_secs(2);

/// Certificates as handshakes ask for them.
#[derive(Debug, Clone)]
pub struct AtHandshakes(pub Arc<Certificates>);

impl OnDemand for AtHandshakes {
    fn at_hand(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let ready = self.0.shelf.ready(name).filter(|ready| ready.not_after_ms > now_ms())?;
        if ready.is_old() {
            // Looked at beside the handshake that it is shown in.
            let _ = self.0.asks.try_send(Ask::Look(name.into()));
        }
        Some(ready.certified)
    }

    fn fetch(&self, name: &str) -> Fetching {
        let Some(force) = self.0.in_force() else { return Box::pin(std::future::ready(None)) };
        if !is_name(name) || self.0.shelf.has_none(name) {
            return Box::pin(std::future::ready(None));
        }
        let (certificates, name) = (Arc::clone(&self.0), Box::<str>::from(name));
        Box::pin(async move { certificates.fetch(&force, &name).await })
    }

    fn challenge(&self, name: &str) -> Fetching {
        let challenges = &self.0.challenges;
        match challenges.certificate(name) {
            Some(certified) => Box::pin(std::future::ready(Some(certified))),
            None => challenges.seek_certificate(name).unwrap_or_else(|| Box::pin(std::future::ready(None))),
        }
    }
}

impl Certificates {
    async fn fetch(&self, force: &InForce, name: &str) -> Option<Arc<CertifiedKey>> {
        let known = force.owners.of(name).is_some();
        let found = match force.store.find_name_now(name, known) {
            Some(found) => found,
            None => {
                // As many at a time as the store can answer without holding up requests.
                let _turn = self.lookups.try_acquire().ok()?;
                timeout(STORE_MAX, force.store.name(name, known)).await.ok()?.ok()?
            }
        };
        match self.judge(force, name, Self::owned(force, name, found)) {
            Seen::Ready(certified) => Some(certified),
            Seen::Wanted(tenant) if force.terms.on_demand => self.wait_for(force, name, tenant).await,
            Seen::Wanted(_) => {
                self.shelf.has_not_now(name);
                None
            }
            Seen::Nothing => None,
        }
    }

    /// Waits until it is decided whether a name gets a certificate; one order, however many wait.
    async fn wait_for(&self, force: &InForce, name: &str, tenant: TenantId) -> Option<Arc<CertifiedKey>> {
        let mut decided = self.board(name, tenant)?;
        // The sender goes when it is decided: there is nothing to be said but that.
        let _ = timeout(force.terms.issue_timeout, decided.changed()).await;
        self.shelf.ready(name).map(|ready| ready.certified)
    }

    fn board(&self, name: &str, tenant: TenantId) -> Option<watch::Receiver<()>> {
        let mut flights = self.flights();
        match flights.entry(name.into()) {
            Entry::Occupied(flight) => Some(flight.get().subscribe()),
            Entry::Vacant(place) => {
                let ask = Ask::Order { name: name.into(), tenant, at_once: false };
                self.asks.try_send(ask).ok()?;
                let (sender, receiver) = watch::channel(());
                place.insert(sender);
                Some(receiver)
            }
        }
    }
}
