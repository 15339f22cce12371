//! A source for tests: tenants in memory, and answers that come when a test lets them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::tenant::State;

/// Tenants in memory; what is asked waits until it is let go, if it is told to.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) tenants: Mutex<BTreeMap<String, Record>>,
    /// Whose keys are, and when they end.
    pub(super) keys: Mutex<BTreeMap<KeyHash, (String, Option<i64>)>>,
    pub(super) waiting: Mutex<VecDeque<Waiting>>,
    pub(super) holds: AtomicBool,
    pub(super) is_down: AtomicBool,
    /// Whether it answers at once.
    pub(super) is_at_hand: AtomicBool,
    asked: AtomicU64,
}

/// What was found, and who is to be told.
pub(super) type Waiting = (Result<Option<Kept>, SourceFault>, Answer);

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    pub(super) fn put(&self, id: &str, revision: u64, domains: &[&str]) -> Option<Record> {
        let mut domains = domains.to_vec();
        domains.sort_unstable();
        let record = Record {
            id: TenantId::parse(id).unwrap(),
            revision,
            state: State::Active,
            plan: None,
            texts: Texts::new(None, &domains),
        };
        self.tenants.lock().unwrap().insert(id.to_owned(), record)
    }

    /// What the naive rule finds, of keys those that have not ended.
    pub(super) fn read(&self, key: &Key, now_ms: i64) -> Option<Record> {
        let kept = self.find_any(key)?;
        kept.key_expires_ms.is_none_or(|ends_ms| ends_ms > now_ms).then_some(kept.record)
    }

    fn find_any(&self, key: &Key) -> Option<Kept> {
        let tenants = self.tenants.lock().unwrap();
        let mut key_expires_ms = None;
        let record = match key {
            Key::Id(id) => tenants.get(id.as_str()).cloned(),
            Key::Host(host) => owner(&tenants, host),
            Key::ApiKey(hash) => {
                let (id, ends_ms) = self.keys.lock().unwrap().get(hash).cloned()?;
                key_expires_ms = ends_ms;
                tenants.get(&id).cloned()
            }
        };
        Some(Kept { record: record?, holdings: Vec::new(), key_expires_ms })
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn let_go(&self) {
        while let Some((found, answer)) = { self.waiting.lock().unwrap().pop_front() } {
            answer(found);
        }
    }
}

/// The naive rule: the exact domain, else the longest wildcard.
fn owner(tenants: &BTreeMap<String, Record>, host: &str) -> Option<Record> {
    let has = |name: &str| tenants.values().find(|record| record.texts.domains().any(|own| own == name));
    let above = host.match_indices('.').map(|(at, _)| format!("*{}", &host[at..]));
    has(host).or_else(|| above.into_iter().find_map(|name| has(&name))).cloned()
}

impl Source for Shelf {
    fn find(&self, key: &Key, answer: Answer) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return answer(Err(SourceFault::Failed));
        }
        let found = Ok(self.find_any(key));
        match self.holds.load(Ordering::SeqCst) {
            true => self.waiting.lock().unwrap().push_back((found, answer)),
            false => answer(found),
        }
    }

    fn find_now(&self, key: &Key) -> Option<Option<Kept>> {
        let is_at_hand = self.is_at_hand.load(Ordering::SeqCst) && !self.is_down.load(Ordering::SeqCst);
        is_at_hand.then(|| self.find_any(key))
    }
}
