//! What would become of an order that an operator wants now.

use super::attempt::registered;
use super::{Certificates, InForce, adoption, attempt, now_ms};
use crate::acme::Kind;
use crate::store::{BY_FILE, Begin, SUSPENDED, StoreFault};
use crate::types::TenantId;

/// What would become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forecast {
    /// The name is nobody's.
    Nobodys,
    /// It is placed at once, for this tenant.
    Now {
        /// Whose it is.
        tenant: TenantId,
        /// How often it has failed since it succeeded last.
        failures: u32,
        /// When it would have been tried without this, in milliseconds since 1970.
        next_ms: Option<i64>,
    },
    /// One is under way.
    UnderWay,
    /// It is not placed.
    Not(Hindrance),
}

/// Why no certificate is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// Its name, as that of an error of the name.
    pub kind: &'static str,
    /// What is in the way, and what to do.
    pub words: String,
    /// Until when, if time mends it, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

impl Certificates {
    /// What would become of an order for this name.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn forecast(&self, force: &InForce, name: &str) -> Result<Forecast, StoreFault> {
        let Some(owned) = Self::find(force, name).await? else { return Ok(Forecast::Nobodys) };
        let not = |kind, words: String, until_ms| Ok(Forecast::Not(Hindrance { kind, words, until_ms }));
        let tenant = owned.tenant;
        if let Some(file) = force.owners.file_for(name) {
            return not(BY_FILE, by_file(&file), None);
        }
        if !owned.may_order {
            let how = match owned.by_configuration {
                true => format!("change the `state` of {tenant} in the configuration"),
                false => format!("`tollgate tenant resume {tenant}`"),
            };
            return not(SUSPENDED, format!("{}: {how}", attempt::IS_SUSPENDED), None);
        }
        let (terms, now_ms) = (&force.terms, now_ms());
        let account = force.store.acme_account(&terms.authority.directory).await?;
        if let Some(lost) = account.filter(|account| !terms.keys.has(&account.key_id)) {
            return not(Kind::EncryptionKey.name(), attempt::account_lost(&lost.key_id), None);
        }
        let work = owned.found.work;
        if self.step(name).is_some() || work.as_ref().is_some_and(|work| work.held_until_ms > now_ms) {
            return Ok(Forecast::UnderWay);
        }
        let kept = owned.found.certificate.as_ref().filter(|kept| kept.tenant == tenant);
        let begin = Begin {
            name: name.into(),
            tenant: tenant.clone(),
            registered: registered(name).into(),
            holder: self.holder.clone(),
            now_ms,
            until_ms: now_ms,
            renewal: kept.is_some(),
            at_once: true,
            budgets: terms.budgets,
        };
        if let Some((budget, until_ms)) = force.store.is_over_budget(begin).await? {
            let (_, words) = attempt::over(budget);
            return not(adoption::OVER_BUDGET, words.to_owned(), Some(until_ms));
        }
        let failures = work.as_ref().map_or(0, |work| work.failures);
        let next_ms = work.map(|work| work.next_ms).filter(|next_ms| *next_ms > now_ms);
        Ok(Forecast::Now { tenant, failures, next_ms })
    }
}

/// Why none is ordered for a name that a file has one for.
#[must_use]
pub fn by_file(file: &str) -> String {
    format!("clients are shown the certificate of the file {file}, and none is ordered")
}
