//! What is told of a tenant: its labels, which routes ask for, and what applications are told, signed: a token that is made once for
//! many requests, and kept with the tenant while it holds.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use serde_json::json;

use super::{FeatureList, Tenant};
use crate::time::Clock;
use crate::types::{Labelled, Labels, SigningKey};

/// How many tokens that have grown old are thrown away when one is made, at most.
const SWEEP_MAX: usize = 256;

/// Signs what applications are told of tenants, under one configuration.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    /// What stands before a token in a head: the line break, and the field's name.
    field: Box<str>,
    ttl_ms: i64,
    issuer: Box<str>,
    audience: Option<Box<str>>,
    clock: Clock,
    /// Tenants that have tokens, by when these are old: later ones behind.
    made: Mutex<VecDeque<(i64, Weak<Tenant>)>>,
}

/// Tokens of one plan's tenants.
#[derive(Debug)]
pub struct Signing {
    /// Who signs them.
    pub signer: Arc<Signer>,
    /// The plan.
    pub plan: Option<Arc<str>>,
}

/// A tenant's labels, where it has any, and its token, once there was a request: a word where there is neither.
#[derive(Default)]
pub struct Context(ArcSwapOption<Held>);

struct Held {
    labels: Option<Arc<Labels>>,
    token: Option<Token>,
}

/// A token, and when it may be sent: for a part of the time in which it is valid, so that it is valid for a while wherever it
/// arrives.
struct Token {
    line: Box<[u8]>,
    from_ms: i64,
    until_ms: i64,
}

/// The line of a head that carries a token.
pub struct ContextLine(Line);

enum Line {
    None,
    /// One that was made before.
    Known(Guard<Option<Arc<Held>>>),
    /// One that was just made.
    Made(Arc<Held>),
}

impl Signer {
    /// Signs with a key, for the field of an application's requests. Tokens are valid for `ttl`.
    #[must_use]
    pub fn new(
        key: SigningKey,
        field: &str,
        ttl: Duration,
        issuer: &str,
        audience: Option<&str>,
        clock: Clock,
    ) -> Self {
        Self {
            key,
            field: format!("\r\n{field}: ").into(),
            ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
            issuer: issuer.into(),
            audience: audience.map(Into::into),
            clock,
            made: Mutex::default(),
        }
    }

    /// A token that says what is known of a tenant at a moment, and when it may be sent: until half of its time is over, or the
    /// features are others.
    fn token(
        &self,
        now_ms: i64,
        tenant: &str,
        plan: Option<&str>,
        labels: Option<&Labels>,
        features: &FeatureList,
    ) -> Token {
        let features_now: Vec<&str> = features.names().collect();
        let mut claims = json!({
            "iss": &*self.issuer,
            "tenant": tenant,
            "plan": plan,
            "features": features_now,
            "labels": labels.into_iter().flat_map(Labels::iter).collect::<BTreeMap<_, _>>(),
            "iat": now_ms.div_euclid(1_000),
            "exp": now_ms.saturating_add(self.ttl_ms).div_euclid(1_000),
        });
        if let (Some(audience), Some(claims)) = (&self.audience, claims.as_object_mut()) {
            claims.insert("aud".to_owned(), (**audience).into());
        }
        let token = self.key.sign(claims.to_string().as_bytes());
        Token {
            line: format!("{}{token}", self.field).into_bytes().into(),
            from_ms: now_ms,
            until_ms: now_ms.saturating_add(self.ttl_ms / 2).min(features.until_ms()),
        }
    }

    /// Notes that a tenant has a token, and throws away what others have that is old by now.
    fn note(&self, until_ms: i64, tenant: &Arc<Tenant>, now_ms: i64) {
        let old: Vec<Weak<Tenant>> = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.push_back((until_ms, Arc::downgrade(tenant)));
            let count = made.iter().take(SWEEP_MAX).take_while(|(until_ms, _)| *until_ms <= now_ms).count();
            made.drain(..count).map(|(_, tenant)| tenant).collect()
        };
        old.iter().filter_map(Weak::upgrade).for_each(|tenant| tenant.context.drop_old(now_ms));
    }
}

impl Context {
    /// Of a tenant with these labels.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        let held = Held { labels: Some(Arc::new(labels)), token: None };
        let is_empty = held.labels.as_ref().is_none_or(|labels| labels.is_empty());
        Self(ArcSwapOption::new((!is_empty).then(|| Arc::new(held))))
    }

    /// Throws away a token that is sent no more.
    fn drop_old(&self, now_ms: i64) {
        let held = self.0.load();
        let Some(known) = held.as_ref() else { return };
        if known.token.as_ref().is_some_and(|token| token.until_ms <= now_ms) {
            let labels = known.labels.clone();
            let rest = labels.map(|labels| Arc::new(Held { labels: Some(labels), token: None }));
            // Another one may have come into its place.
            self.0.compare_and_swap(&held, rest);
        }
    }
}

impl Tenant {
    /// The line that tells the application of the tenant, if there is to be one. Made anew when half of its time is over; who
    /// comes at once with others may make another that says the same.
    #[must_use]
    pub fn context(self: &Arc<Self>, features: &FeatureList) -> ContextLine {
        let Some(signing) = &self.terms.signing else { return ContextLine(Line::None) };
        let signer = &signing.signer;
        let now_ms = signer.clock.unix_ms();
        let known = self.context.0.load();
        let token = known.as_ref().and_then(|held| held.token.as_ref());
        if token.is_some_and(|token| (token.from_ms..token.until_ms).contains(&now_ms)) {
            return ContextLine(Line::Known(known));
        }
        let labels = known.as_ref().and_then(|held| held.labels.clone());
        let plan = signing.plan.as_deref();
        let token = signer.token(now_ms, self.id().as_str(), plan, labels.as_deref(), features);
        let until_ms = token.until_ms;
        let made = Arc::new(Held { labels, token: Some(token) });
        self.context.0.store(Some(Arc::clone(&made)));
        signer.note(until_ms, self, now_ms);
        ContextLine(Line::Made(made))
    }
}

impl Labelled for Tenant {
    fn label(&self, name: &str, told: &mut dyn FnMut(Option<&str>)) {
        let held = self.context.0.load();
        told(held.as_ref().and_then(|held| held.labels.as_ref()).and_then(|labels| labels.get(name)));
    }
}

impl ContextLine {
    /// With the line break before it and without the one behind it; empty where there is none.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        let held = match &self.0 {
            Line::None => None,
            Line::Known(held) => held.as_deref(),
            Line::Made(held) => Some(&**held),
        };
        held.and_then(|held| held.token.as_ref()).map_or(&[], |token| &token.line)
    }
}

impl fmt::Debug for Context {
    /// A token is whoever has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context(…)")
    }
}

impl fmt::Debug for ContextLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextLine(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::RateRules;
    use crate::admission::fair_share::SeatTerms;
    use crate::admission::quota::Quotas;
    use crate::telemetry::Metrics;
    use crate::tenant::{Accounts, Features, State, Terms};
    use crate::types::{Access, TenantId};

    fn tenant(id: &str, signer: &Arc<Signer>, label: Option<&str>) -> Arc<Tenant> {
        let labels = label.map(|value| ("a".to_owned(), value.to_owned()));
        let labels = Labels::new(labels.iter().map(|(name, value)| (name, value)));
        let account = Accounts::default().open(&TenantId::parse(id).unwrap(), &Metrics::new(1).unwrap());
        let rules = Arc::new(RateRules::new(Vec::new(), &[], signer.clock.clone()));
        let terms = Terms {
            identity: Arc::from(*b"x-tenant-id: "),
            signing: Some(Arc::new(Signing { signer: Arc::clone(signer), plan: None })),
            access: Access::default(),
            features: Features::default(),
            seats: SeatTerms { weight: 1, max: 1, queue: 0, reserved: 0 },
            seat_wait_max: Duration::ZERO,
            request_body_max: 0,
            pool: None,
            brand: Arc::default(),
            cors: None,
            routes: Arc::new(crate::tenant::Routes::new(Vec::new())),
            request_headers: [].into(),
            response_headers: [].into(),
        };
        Arc::new(Tenant {
            state: State::Active,
            terms: Arc::new(terms),
            rates: account.rates.open(&rules),
            quotas: Arc::new(Quotas::new(Vec::new())),
            mold: 0,
            context: Context::new(labels),
            account,
        })
    }

    fn line(tenant: &Arc<Tenant>) -> Vec<u8> {
        tenant.context(&tenant.terms.features.now()).line().to_vec()
    }

    fn has_token(tenant: &Tenant) -> bool {
        tenant.context.0.load().as_ref().is_some_and(|held| held.token.is_some())
    }

    #[test]
    fn tenants_that_are_not_in_use_keep_no_token() {
        let (clock, hand) = Clock::manual();
        let key = SigningKey::hs256(&"k".repeat(32)).unwrap();
        let ttl = Duration::from_secs(60);
        let signer = Arc::new(Signer::new(key, "x-context", ttl, "gw", None, clock));
        let [bare, labelled, busy] = [("bare", None), ("labelled", Some("b")), ("busy", None)]
            .map(|(id, label)| tenant(id, &signer, label));
        let first = [&bare, &labelled, &busy].map(line);
        assert!(first.iter().all(|line| line.starts_with(b"\r\nx-context: ey")));
        hand.advance(Duration::from_secs(29));
        assert_eq!([&bare, &labelled, &busy].map(line), first);
        hand.advance(Duration::from_secs(1));
        let second = line(&busy);
        assert_ne!(second, first[2]);
        assert!(!has_token(&bare) && !has_token(&labelled) && has_token(&busy));
        assert!(bare.context.0.load().is_none());
        // What it is told of stays.
        hand.set_unix_ms(signer.clock.unix_ms() - 30_000);
        assert_eq!(line(&labelled), first[1]);
        labelled.label("a", &mut |value| assert_eq!(value, Some("b")));
        bare.label("a", &mut |value| assert_eq!(value, None));
        assert_eq!(signer.made.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_tenant_without_a_token_takes_a_word_for_it() {
        assert_eq!(size_of::<Context>(), size_of::<usize>());
        assert!(size_of::<Tenant>() <= 48, "{}", size_of::<Tenant>());
    }
}
