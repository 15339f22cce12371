//! Pages of tenants: the configuration's and the store's, in one order.

use serde_json::Value;

use super::documents::{Shown, written_document};
use super::{Refusal, Registry};
use crate::config::{Domain, Tenant};
use crate::store::{TenantQuery, TenantRecord};
use crate::types::TenantId;

/// Which tenants are asked for: all that match everything that is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Behind this id.
    pub after: Option<TenantId>,
    /// How many at most.
    pub limit: usize,
    /// Of this plan.
    pub plan: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// With each of these labels, by name and value.
    pub labels: Vec<(String, String)>,
    /// That has this domain.
    pub domain: Option<String>,
    /// With this text in its id, in a domain of it or in a label's value, in upper or lower case.
    pub text: Option<String>,
    /// From where.
    pub source: SourceFilter,
}

/// Where tenants come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceFilter {
    /// From anywhere.
    #[default]
    Any,
    /// From the configuration.
    Configuration,
    /// From the store.
    Store,
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Tenants by their ids; there may be fewer than were asked for, also where more follow.
    pub tenants: Vec<Value>,
    /// Behind which id the next page begins, where there may be one.
    pub next: Option<TenantId>,
}

impl Registry {
    /// A page of tenants. Where both have a tenant of an id, the configuration's is the one.
    ///
    /// # Errors
    /// [`Refusal`]: a domain that is none, or no answer of the store.
    pub async fn tenants(&self, listing: &Listing) -> Result<Page, Refusal> {
        let domain = listing.domain.as_deref().map(domain).transpose()?;
        let in_force = self.in_force();
        // One more of each than is shown tells whether more follow.
        let wanted = listing.limit.saturating_add(1);
        let mut stored = Vec::new();
        if listing.source != SourceFilter::Configuration
            && let Some(store) = self.readable()
        {
            stored = store.tenants(query(listing, domain.as_ref(), wanted)).await?;
        }
        // Behind the last of a full answer there may be tenants that were not asked for yet.
        let horizon = stored.last().filter(|_| stored.len() >= wanted).map(|record| record.id.clone());
        let shadowed = |record: &TenantRecord| in_force.tenant(record.id.as_str()).is_some();
        let mut found: Vec<(TenantId, Value)> = stored
            .iter()
            .filter(|record| !shadowed(record))
            .map(|record| (record.id.clone(), Shown::stored(record).document))
            .collect();
        if listing.source != SourceFilter::Store {
            let configured = in_force.tenants_after(listing.after.as_ref().map(TenantId::as_str));
            let known = |tenant: &&Tenant| horizon.as_ref().is_none_or(|horizon| tenant.id <= *horizon);
            let matching = configured
                .take_while(known)
                .filter(|tenant| matches(listing, domain.as_ref(), tenant))
                .take(wanted);
            found.extend(matching.map(|tenant| (tenant.id.clone(), Shown::configured(tenant).document)));
            found.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        let more = found.len() > listing.limit;
        found.truncate(listing.limit);
        let next = match more {
            true => found.last().map(|(id, _)| id.clone()),
            false => horizon,
        };
        Ok(Page { tenants: found.into_iter().map(|(_, document)| document).collect(), next })
    }

    /// A page of the store's tenants, with what can be written of them and no more: what an import takes. The configuration's
    /// tenants of the same ids don't matter.
    ///
    /// # Errors
    /// [`Refusal`]: a domain that is none, no store, or no answer of it.
    pub async fn exported(&self, listing: &Listing) -> Result<Page, Refusal> {
        let domain = listing.domain.as_deref().map(domain).transpose()?;
        let records = self.store()?.tenants(query(listing, domain.as_ref(), listing.limit)).await?;
        let next = records.last().filter(|_| records.len() >= listing.limit);
        let next = next.map(|record| record.id.clone());
        Ok(Page { tenants: records.iter().map(written_document).collect(), next })
    }
}

/// A domain as it is asked for: any spelling of it.
pub(super) fn domain(text: &str) -> Result<Domain, Refusal> {
    text.parse().map_err(|error| {
        let reason = format!("{error}");
        let reason = reason.lines().next().unwrap_or_default();
        Refusal::BadQuery(format!("`{text}` is no domain: {reason}"))
    })
}

fn query(listing: &Listing, domain: Option<&Domain>, limit: usize) -> TenantQuery {
    let text = |text: &Option<String>| text.as_deref().map(Box::from);
    TenantQuery {
        after: listing.after.clone(),
        limit,
        plan: text(&listing.plan),
        state: text(&listing.state),
        labels: listing.labels.clone(),
        domain: domain.map(|domain| domain.to_string().into_boxed_str()),
        text: text(&listing.text),
    }
}

/// As the store decides it.
fn matches(listing: &Listing, domain: Option<&Domain>, tenant: &Tenant) -> bool {
    let has_label = |(name, value): &(String, String)| tenant.labels.get(name) == Some(value);
    listing.plan.as_ref().is_none_or(|plan| tenant.plan.as_ref() == Some(plan))
        && listing.state.as_deref().is_none_or(|state| tenant.state.as_str() == state)
        && listing.labels.iter().all(has_label)
        && domain.is_none_or(|domain| tenant.domains.contains(domain))
        && listing.text.as_deref().is_none_or(|text| has_text(tenant, &text.to_ascii_lowercase()))
}

fn has_text(tenant: &Tenant, text: &str) -> bool {
    tenant.id.as_str().contains(text)
        || tenant.domains.iter().any(|domain| domain.to_string().contains(text))
        || tenant.labels.values().any(|value| value.to_ascii_lowercase().contains(text))
}
