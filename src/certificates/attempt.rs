//! One name's turn: whether it is to have a certificate now, the order, and what is kept of it.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::adoption::OVER_BUDGET;
use super::forecast::by_file;
use super::names::Owned;
use super::queue::Item;
use super::upkeep::first_look_ms;
use super::{Certificates, InForce, Opened, now_ms};
use crate::acme::{Authority, Issued, Kind, Leaf, Order, Step, Trouble, after_ms, pause_ms, renew_ms};
use crate::store::{
    AcmeBudget, Actor, BY_FILE, Begin, Begun, DueName, KeptAccount, KeptCertificate, SUSPENDED, StoreFault,
    WriteError,
};
use crate::telemetry::OrderOutcome;

/// For one order: an authority that does not decide in this time is asked again later.
const ORDER_MAX: Duration = Duration::from_secs(120);
/// For how long a name is held, so that no other process orders it, and how often that is renewed.
const HOLD: Duration = Duration::from_secs(30);
const HOLD_AGAIN: Duration = Duration::from_secs(10);
/// When a name of a suspended tenant is looked at again.
const SUSPENDED_MS: i64 = 3_600_000;
/// When one is looked at again that a file has a certificate for. A configuration without that file has it looked at, too.
const BY_FILE_MS: i64 = 7 * 24 * 3_600_000;
pub(super) const IS_SUSPENDED: &str =
    "the tenant is suspended: nothing is ordered or renewed until it is active again";
/// How long it is believed that the authority can't be talked to, and at most, where it has said itself how long.
const UNOPENED: Duration = Duration::from_secs(10);
const UNOPENED_MAX: Duration = Duration::from_secs(3_600);
/// How long it is waited at most because the authority says so.
const AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long an order waits for the one of another process, and how often it looks.
const ELSEWHERE: Duration = Duration::from_secs(30);
const ELSEWHERE_LOOK: Duration = Duration::from_millis(500);
/// Who has done it, in the audit log.
const ACTOR: &str = "gateway (acme)";

impl Certificates {
    /// Does with a name what is to be done now. What fails is kept with the name.
    pub(super) async fn attempt(self: &Arc<Self>, force: &Arc<InForce>, item: &Item) {
        if let Err(fault) = self.try_attempt(force, item).await {
            tracing::warn!(domain = %item.name, %fault, "the store did not answer: the certificate has to wait");
        }
    }

    async fn try_attempt(self: &Arc<Self>, force: &Arc<InForce>, item: &Item) -> Result<(), WriteError> {
        let (name, store) = (&*item.name, &force.store);
        let Some(owned) = Self::find(force, name).await? else {
            self.shelf.is_nobodys(name);
            return store.forget_name(name).await;
        };
        let now = now_ms();
        let kept = owned.found.certificate.as_ref().filter(|kept| kept.tenant == owned.tenant);
        let not_wanted = match force.owners.file_for(name) {
            Some(file) => Some((BY_FILE, by_file(&file), BY_FILE_MS)),
            None if !owned.may_order => Some((SUSPENDED, IS_SUSPENDED.to_owned(), SUSPENDED_MS)),
            None => None,
        };
        if let Some((kind, why, again_ms)) = not_wanted {
            let mut again_ms = again_ms;
            match kept.filter(|_| kind == BY_FILE) {
                // It would end unseen, and alarm whoever watches for that.
                Some(kept) if kept.renew_ms <= now => store.remove_certificate(name).await?,
                Some(kept) => again_ms = again_ms.min(kept.renew_ms - now),
                None => {}
            }
            let due = DueName { name: name.into(), tenant: owned.tenant.clone() };
            store.enqueue_names(vec![due], now).await?;
            return store.postpone_name(name, now + again_ms, Some((kind, why))).await;
        }
        if let Some(kept) = kept.filter(|kept| kept.renew_ms > now && !item.at_once) {
            // Whoever waits for it finds it.
            let _ = self.put(force, kept);
            if owned.found.work.as_ref().is_none_or(|work| work.next_ms <= now) {
                self.ask_window(force, kept).await;
            }
            return Ok(());
        }
        let begin = self.terms_of(force, item, &owned, kept.is_some());
        match store.begin_order(begin.clone()).await? {
            Begun::Granted { failures } => {
                let order = self.meter.begin();
                match self.order(force, begin, &owned, kept, failures).await {
                    Ok(true) => {
                        order.end(if kept.is_some() { OrderOutcome::Renewed } else { OrderOutcome::Issued })
                    }
                    Ok(false) => order.end(OrderOutcome::Failed),
                    Err(error) => {
                        order.end(OrderOutcome::Failed);
                        return Err(error);
                    }
                }
            }
            Begun::Held { .. } => self.wait_elsewhere(force, name).await?,
            Begun::NotDue { .. } => self.shelf.has_not_now(name),
            Begun::OverBudget { budget, until_ms } => {
                let (label, words) = over(budget);
                self.meter.over_budget(label);
                self.shelf.has_not_now(name);
                tracing::warn!(domain = %name, tenant = %owned.tenant, "{words}");
                store.postpone_name(name, until_ms, Some((OVER_BUDGET, words.to_owned()))).await?;
            }
        }
        Ok(())
    }

    fn terms_of(&self, force: &InForce, item: &Item, owned: &Owned, renewal: bool) -> Begin {
        let now_ms = now_ms();
        Begin {
            name: item.name.clone(),
            tenant: owned.tenant.clone(),
            registered: registered(&item.name).into(),
            holder: self.holder.clone(),
            now_ms,
            until_ms: now_ms + millis(HOLD),
            renewal,
            at_once: item.at_once,
            budgets: force.terms.budgets,
        }
    }

    /// Orders, and keeps what comes of it. Whether there is a certificate.
    async fn order(
        self: &Arc<Self>,
        force: &Arc<InForce>,
        begun: Begin,
        owned: &Owned,
        kept: Option<&KeptCertificate>,
        failures: u32,
    ) -> Result<bool, WriteError> {
        let name = &*begun.name.clone();
        let order_max = self.order_max.get().copied().unwrap_or(ORDER_MAX);
        let issuing = timeout(order_max, self.issue(force, name, kept, failures));
        let issued = tokio::select! {
            issued = issuing => issued,
            lost = self.hold(force, name) => return lost.map(|()| false),
        };
        let late = |_| {
            let words = format!("the authority has not decided within {} seconds", order_max.as_secs());
            Trouble::new(Kind::Timeout, words)
        };
        let outcome = issued.map_err(late).and_then(|issued| issued);
        match outcome.and_then(|issued| Self::kept(force, owned, name, issued)) {
            Ok(certificate) => {
                let next =
                    first_look_ms(certificate.not_before_ms, certificate.not_after_ms, certificate.renew_ms);
                let actor = Actor(ACTOR.into());
                let by_configuration = owned.by_configuration;
                let store = &force.store;
                let is_kept =
                    store.keep_certificate(certificate.clone(), next, by_configuration, actor).await?;
                if is_kept {
                    tracing::info!(domain = %name, tenant = %owned.tenant, issuer = %certificate.issuer, "certificate issued");
                    let _ = self.put(force, &certificate);
                }
                Ok(is_kept)
            }
            Err(trouble) => {
                if self.step(name).is_none() && trouble.kind.is_general() {
                    force.store.uncount_order(begun).await?;
                }
                if trouble.kind == Kind::AccountGone {
                    *self.authority.lock().await = None;
                    force.store.forget_acme_account(&force.terms.authority.directory).await?;
                }
                let dice = fastrand::f64();
                let pause = pause_ms(failures.saturating_add(1), trouble.kind.is_general(), dice);
                // What the authority asks for is kept, within reason.
                let pause = pause.max(after_ms(trouble.after.unwrap_or_default().min(AFTER_MAX), dice));
                tracing::warn!(domain = %name, tenant = %owned.tenant, failures = failures + 1, "no certificate: {trouble}");
                self.shelf.has_not_now(name);
                let of = DueName { name: name.into(), tenant: owned.tenant.clone() };
                let (kind, words) = (trouble.kind.name(), trouble.words);
                force.store.name_failed(of, kind, words, now_ms() + pause, Actor(ACTOR.into())).await?;
                Ok(false)
            }
        }
    }

    async fn issue(
        &self,
        force: &Arc<InForce>,
        name: &str,
        kept: Option<&KeptCertificate>,
        failures: u32,
    ) -> Result<Issued, Trouble> {
        let authority = self.authority(force).await?;
        let replaces = kept.and_then(|kept| Leaf::of_chain(&kept.chain));
        // After a failure the next way is tried first.
        let mut challenges = force.terms.challenges.clone();
        let turn = failures as usize % challenges.len().max(1);
        challenges.rotate_left(turn);
        let step = |step: Step| {
            self.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), step);
        };
        let order = Order {
            name,
            replaces: replaces.as_ref(),
            challenges: &challenges,
            answers: &self.challenges,
            share: &|proof| Box::pin(Self::share(force, name, proof)),
            step: &step,
        };
        authority.issue(&order).await
    }

    /// What is kept of a certificate.
    fn kept(force: &InForce, owned: &Owned, name: &str, issued: Issued) -> Result<KeptCertificate, Trouble> {
        let Issued { chain, key, leaf } = issued;
        let current = &force.terms.keys.current;
        let key = current.encrypt(name, key.as_bytes()).map_err(|why| internal(&why))?;
        Ok(KeptCertificate {
            name: name.into(),
            tenant: owned.tenant.clone(),
            chain: chain.into(),
            key,
            key_id: current.id().into(),
            serial: leaf.serial.into(),
            issuer: leaf.issuer.into(),
            not_before_ms: leaf.not_before_ms,
            not_after_ms: leaf.not_after_ms,
            issued_ms: now_ms(),
            renew_ms: renew_ms(leaf.not_before_ms, leaf.not_after_ms, fastrand::f64()),
        })
    }

    /// Holds a name for as long as it is ordered; ends when it is lost to another.
    async fn hold(&self, force: &InForce, name: &str) -> Result<(), WriteError> {
        let mut tick = interval(HOLD_AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tick.tick().await;
            // Where the store does not answer, the hold lapses at worst, and another orders as well.
            if let Ok(false) = force.store.hold_name(name, &self.holder, now_ms() + millis(HOLD)).await {
                return Ok(());
            }
        }
    }

    /// Another process orders it: what comes of it is in the store.
    async fn wait_elsewhere(&self, force: &InForce, name: &str) -> Result<(), StoreFault> {
        let until = Instant::now() + ELSEWHERE;
        while Instant::now() < until {
            tokio::time::sleep(ELSEWHERE_LOOK).await;
            let Some(owned) = Self::find(force, name).await? else { return Ok(()) };
            let is_held = owned.found.work.as_ref().is_some_and(|work| work.held_until_ms > now_ms());
            if !is_held {
                let _ = self.judge(force, name, Some(owned));
                return Ok(());
            }
        }
        Ok(())
    }

    /// The authority, opened once under a configuration.
    pub(super) async fn authority(&self, force: &Arc<InForce>) -> Result<Authority, Trouble> {
        let mut opened = self.authority.lock().await;
        if let Some(opened) = opened.as_ref().filter(|opened| Arc::ptr_eq(&opened.under, force)) {
            match &opened.outcome {
                Ok(authority) => return Ok(authority.clone()),
                Err(trouble) if opened.at.elapsed() < believed(trouble) => return Err(trouble.clone()),
                Err(_) => {}
            }
        }
        let outcome = open(force).await;
        *opened = Some(Opened { under: Arc::clone(force), at: Instant::now(), outcome: outcome.clone() });
        outcome
    }
}

/// Goes on with the account that is kept, or makes one and keeps it.
async fn open(force: &InForce) -> Result<Authority, Trouble> {
    let (terms, keys, store) = (&force.terms.authority, &force.terms.keys, &force.store);
    let kept = store.acme_account(&terms.directory).await.map_err(|fault| internal(&fault))?;
    let credentials = match &kept {
        Some(kept) if !keys.has(&kept.key_id) => {
            return Err(Trouble::new(Kind::EncryptionKey, account_lost(&kept.key_id)));
        }
        Some(kept) => {
            let text = keys.decrypt(&kept.key_id, &kept.directory, &kept.credentials);
            let text = text
                .map_err(|why| internal(&format!("the account with the authority can't be read: {why}")))?;
            Some(String::from_utf8(text).map_err(|why| internal(&why))?)
        }
        None => None,
    };
    let (authority, made) = Authority::open(terms, credentials.as_deref()).await?;
    if made.is_some() {
        tracing::info!(directory = %terms.directory, "account with the authority made");
    }
    // With the key of now, so that one of before can go.
    let is_of_before = kept.is_some_and(|kept| *kept.key_id != *keys.current.id());
    if let Some(text) = made.or_else(|| credentials.filter(|_| is_of_before)) {
        let sealed = keys.current.encrypt(&terms.directory, text.as_bytes()).map_err(|why| internal(&why))?;
        let kept = KeptAccount {
            directory: terms.directory.as_str().into(),
            credentials: sealed,
            key_id: keys.current.id().into(),
        };
        store.keep_acme_account(kept).await.map_err(|error| internal(&error))?;
    }
    Ok(authority)
}

fn internal(why: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(Kind::Internal, why.to_string())
}

/// Why nothing is ordered where the account can't be read.
pub(super) fn account_lost(key_id: &str) -> String {
    format!(
        "the account with the authority is encrypted with the key `{key_id}`, which is not there, so that nothing is ordered: add its file to `former_encryption_key_files`, or put it back into `encryption_key_file`, and reload"
    )
}

/// How long it is believed that the authority can't be talked to.
fn believed(trouble: &Trouble) -> Duration {
    trouble.after.unwrap_or_default().min(UNOPENED_MAX).max(UNOPENED)
}

/// What people register (`example.co.uk`), which authorities count by; the name itself where the list of public suffixes knows none.
pub(super) fn registered(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

pub(super) fn over(budget: AcmeBudget) -> (&'static str, &'static str) {
    match budget {
        AcmeBudget::Tenant => (
            "tenant",
            "the tenant's orders of the last 24 hours are used up (`tls.acme.budgets.per_tenant`): it is ordered when there is room",
        ),
        AcmeBudget::Registered => (
            "registered_domain",
            "the registered domain's orders of the last 7 days are used up (`tls.acme.budgets.per_registered_domain`): it is ordered when there is room",
        ),
        AcmeBudget::Account => (
            "account",
            "the orders of the last 3 hours are used up (`tls.acme.budgets.account`): it is ordered when there is room",
        ),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::registered;

    #[test]
    fn authorities_count_by_what_people_register() {
        assert_eq!(registered("www.shop.example.co.uk"), "example.co.uk");
        assert_eq!(registered("shop.example.com"), "example.com");
        assert_eq!(registered("a.b.test"), "b.test");
        assert_eq!(registered("test"), "test");
    }
}
