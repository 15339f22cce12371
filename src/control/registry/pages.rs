//! Pages of tenants: the configuration's and the store's, in one order.

use serde_json::Value;

use super::documents::{Shown, written_document};
use super::{Refusal, Registry};
use crate::config::{Domain, Tenant};
use crate::store::{PAGE_BYTES, Page as Stored, TenantQuery, TenantRecord};
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
        let mut stored = Stored { records: Vec::new(), is_cut: false };
        if listing.source != SourceFilter::Configuration
            && let Some(store) = self.readable()
        {
            stored = store.tenants(query(listing, domain.as_ref(), wanted)).await?;
        }
        // Behind the last of a full answer there may be tenants that were not asked for yet.
        let horizon = stored.records.last().filter(|_| stored.may_go_on(wanted));
        let horizon = horizon.map(|record| record.id.clone());
        let shadowed = |record: &TenantRecord| in_force.tenant(record.id.as_str()).is_some();
        let of_store = stored
            .records
            .iter()
            .filter(|record| !shadowed(record))
            .map(|record| (record.id.clone(), Shown::stored(record).document));
        let known = |tenant: &&Tenant| horizon.as_ref().is_none_or(|horizon| tenant.id <= *horizon);
        let of_configuration = (listing.source != SourceFilter::Store)
            .then(|| in_force.tenants_after(listing.after.as_ref().map(TenantId::as_str)))
            .into_iter()
            .flatten()
            .take_while(known)
            .filter(|tenant| matches(listing, domain.as_ref(), tenant))
            .map(|tenant| (tenant.id.clone(), Shown::configured(tenant).document));
        let page = filled(of_store, of_configuration, listing.limit);
        Ok(Page { next: page.next.or(horizon), ..page })
    }

    /// A page of the store's tenants, with what can be written of them and no more: what an import takes. The configuration's
    /// tenants of the same ids don't matter.
    ///
    /// # Errors
    /// [`Refusal`]: a domain that is none, no store, or no answer of it.
    pub async fn exported(&self, listing: &Listing) -> Result<Page, Refusal> {
        let domain = listing.domain.as_deref().map(domain).transpose()?;
        let records = self.store()?.tenants(query(listing, domain.as_ref(), listing.limit)).await?;
        let next = records.records.last().filter(|_| records.may_go_on(listing.limit));
        let next = next.map(|record| record.id.clone());
        Ok(Page { tenants: records.records.iter().map(written_document).collect(), next })
    }
}

/// What of both fits into a page, by id; each is in that order, and they have no id in common. `next` where not all did.
fn filled(
    one: impl Iterator<Item = (TenantId, Value)>,
    other: impl Iterator<Item = (TenantId, Value)>,
    limit: usize,
) -> Page {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    let (mut page, mut last, mut bytes) = (Page::default(), None, 0);
    loop {
        let is_first = match (one.peek(), other.peek()) {
            (Some((id, _)), Some((of_other, _))) => id < of_other,
            (first, _) => first.is_some(),
        };
        let Some((id, document)) = (if is_first { one.next() } else { other.next() }) else { break };
        bytes += document.to_string().len();
        if page.tenants.len() >= limit || (bytes > PAGE_BYTES && !page.tenants.is_empty()) {
            page.next = last;
            break;
        }
        page.tenants.push(document);
        last = Some(id);
    }
    page
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
