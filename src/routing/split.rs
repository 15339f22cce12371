//! Which of several pools a request goes to.
//!
//! What is sticky is placed by weighted rendezvous hashing: every pool has a number that depends on it and on the request's key, and
//! the highest one wins. Rendezvous: D. Thaler, C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM ToN 6
//! (1998). With weights, the logarithmic method: C. Schindelhauer, G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005, in the form of
//! J. Resch, "New Hashing Algorithms for Data Storage", SDC 2015: the number is `weight / -ln(u)`, where `u` in (0, 1) is a hash of key
//! and pool. A pool's part is exactly that of its weight; and since no number depends on another pool's weight, a pool that gets more
//! weight wins keys and loses none, and between the others nothing moves.

use http::{HeaderMap, HeaderName};
use siphasher::sip::SipHasher13;

use crate::types::cookie;

/// Which part of requests goes where. `T` is a place.
#[derive(Debug)]
pub struct Split<T> {
    parts: Box<[Part<T>]>,
    sticky: Option<Sticky>,
    /// The sum of all weights.
    total: u64,
}

/// A place's part.
#[derive(Debug)]
struct Part<T> {
    /// `None`: the tenant's own.
    to: Option<T>,
    weight: u32,
    /// What tells it from others, wherever it stands and whatever it weighs.
    hash: u64,
}

/// What keeps going to the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// All requests of a tenant.
    Tenant,
    /// What has the same value of this cookie.
    Cookie(Box<str>),
    /// What has the same value of this field; without it, all requests of a tenant.
    Header(HeaderName),
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen<'s, T> {
    /// `None`: to the tenant's own place.
    pub to: Option<&'s T>,
    /// A cookie that the client is to be given, so that it goes there again: its name and value.
    pub cookie: Option<(&'s str, u64)>,
}

/// "tollgate", "routing/", read as big-endian numbers: a key's place is the same in every gateway and version.
const SEED: (u64, u64) = (0x746f_6c6c_6761_7465, 0x726f_7574_696e_672f);

fn hash(bytes: &[u8]) -> u64 {
    SipHasher13::new_with_keys(SEED.0, SEED.1).hash(bytes)
}

/// The value of a cookie that the gateway sets.
#[must_use]
pub fn cookie_value(number: u64) -> String {
    format!("{number:016x}")
}

impl<T> Split<T> {
    /// Of places with their names and weights.
    #[must_use]
    pub fn new<'n>(
        parts: impl IntoIterator<Item = (&'n str, Option<T>, u32)>,
        sticky: Option<Sticky>,
    ) -> Self {
        let part =
            |(name, to, weight): (&str, Option<T>, u32)| Part { to, weight, hash: hash(name.as_bytes()) };
        let parts: Box<[_]> = parts.into_iter().map(part).collect();
        let total = parts.iter().map(|part| u64::from(part.weight)).sum();
        Self { parts, sticky, total }
    }

    /// The places with their weights, in order; `None` is the tenant's own.
    pub fn parts(&self) -> impl Iterator<Item = (Option<&T>, u32)> {
        self.parts.iter().map(|part| (part.to.as_ref(), part.weight))
    }

    /// What keeps going to the same place.
    #[must_use]
    pub fn sticky(&self) -> Option<&Sticky> {
        self.sticky.as_ref()
    }

    /// Whether what it draws makes no difference for a request with these fields.
    pub fn is_certain(&self, fields: &HeaderMap) -> bool {
        let has_cookie = |name: &str| cookie(fields, name).is_some_and(|value| !value.is_empty());
        let weighted = self.parts.iter().filter(|part| part.weight > 0).count();
        weighted < 2
            || match &self.sticky {
                None => false,
                Some(Sticky::Tenant | Sticky::Header(_)) => true,
                Some(Sticky::Cookie(name)) => has_cookie(name),
            }
    }

    /// Where a request with these fields goes. `draw` draws any number.
    pub fn choose<'s>(
        &'s self,
        fields: &HeaderMap,
        tenant: &str,
        draw: impl FnOnce() -> u64,
    ) -> Chosen<'s, T> {
        let to = |part: &'s Part<T>| part.to.as_ref();
        let key = match &self.sticky {
            None => return Chosen { to: self.drawn(draw()).and_then(to), cookie: None },
            Some(Sticky::Tenant) => tenant.as_bytes(),
            Some(Sticky::Header(name)) => {
                fields.get(name).map_or(tenant.as_bytes(), |value| value.as_bytes())
            }
            Some(Sticky::Cookie(name)) => match cookie(fields, name).filter(|value| !value.is_empty()) {
                Some(value) => value,
                None => {
                    let new = draw();
                    let part = self.placed(cookie_value(new).as_bytes());
                    return Chosen { to: part.and_then(to), cookie: Some((name, new)) };
                }
            },
        };
        Chosen { to: self.placed(key).and_then(to), cookie: None }
    }

    /// By a number of any size. Weights are so small beside it that what the division leaves over is no matter.
    fn drawn(&self, number: u64) -> Option<&Part<T>> {
        let mut rest = number.checked_rem(self.total)?;
        self.parts.iter().find(|part| match rest.checked_sub(u64::from(part.weight)) {
            Some(left) => {
                rest = left;
                false
            }
            None => true,
        })
    }

    fn placed(&self, key: &[u8]) -> Option<&Part<T>> {
        let key = hash(key);
        let score = |part: &Part<T>| {
            let of_both = hash_of_both(key, part.hash);
            // In (0, 1): the upper 53 bits are what an `f64` holds.
            let u = ((of_both >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            f64::from(part.weight) / -u.ln()
        };
        let weighted = self.parts.iter().filter(|part| part.weight > 0);
        weighted.max_by(|a, b| score(a).total_cmp(&score(b)))
    }
}

fn hash_of_both(key: u64, place: u64) -> u64 {
    let mut both = [0; 16];
    let (front, back) = both.split_at_mut(8);
    front.copy_from_slice(&key.to_be_bytes());
    back.copy_from_slice(&place.to_be_bytes());
    hash(&both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::COOKIE;
    use proptest::prelude::*;

    fn split(weights: &[(&'static str, u32)], sticky: Option<Sticky>) -> Split<&'static str> {
        Split::new(weights.iter().map(|(name, weight)| (*name, Some(*name), *weight)), sticky)
    }

    fn of_tenant(split: &Split<&'static str>, tenant: &str) -> &'static str {
        split.choose(&HeaderMap::new(), tenant, || panic!("nothing is drawn")).to.unwrap()
    }

    #[test]
    fn parts_are_those_of_the_weights() {
        let sticky = split(&[("a", 70), ("b", 25), ("c", 5), ("d", 0)], Some(Sticky::Tenant));
        let at_random = split(&[("a", 70), ("b", 25), ("c", 5), ("d", 0)], None);
        let mut rng = fastrand::Rng::with_seed(7);
        let count = 100_000;
        let mut counts = [[0_i32; 4]; 2];
        for at in 0..count {
            let placed = of_tenant(&sticky, &format!("tenant-{at}"));
            let drawn = at_random.choose(&HeaderMap::new(), "", || rng.u64(..)).to.unwrap();
            for (counts, name) in counts.iter_mut().zip([placed, drawn]) {
                counts[["a", "b", "c", "d"].iter().position(|one| *one == name).unwrap()] += 1;
            }
        }
        for [a, b, c, d] in counts {
            // Six standard deviations at most.
            assert!(
                (a - 70_000).abs() < 900 && (b - 25_000).abs() < 850 && (c - 5_000).abs() < 420,
                "{a} {b} {c}"
            );
            assert_eq!(d, 0);
        }
    }

    /// A fleet in the middle of an update agrees only if these never change.
    #[test]
    fn a_place_is_the_same_for_ever() {
        let split = split(&[("shared", 50), ("canary", 50)], Some(Sticky::Tenant));
        let places = ["acme", "globex", "initech", "stark", "hooli"].map(|id| of_tenant(&split, id));
        // Computed by another implementation.
        assert_eq!(places, ["canary", "shared", "shared", "canary", "shared"]);
    }

    #[test]
    fn a_cookie_is_given_to_whoever_has_none_and_leads_to_the_same_place() {
        let split = split(&[("a", 1), ("b", 1)], Some(Sticky::Cookie("ab".into())));
        for number in 0..100 {
            let first = split.choose(&HeaderMap::new(), "acme", || number);
            assert_eq!(first.cookie, Some(("ab", number)));
            let value = HeaderValue::try_from(format!("x=1; ab={}", cookie_value(number))).unwrap();
            let fields = HeaderMap::from_iter([(COOKIE, value)]);
            let again = split.choose(&fields, "acme", || panic!("nothing is drawn"));
            assert_eq!(again, Chosen { to: first.to, cookie: None });
        }
        let empty = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("ab="))]);
        assert!(split.choose(&empty, "acme", || 1).cookie.is_some());
    }

    #[test]
    fn without_the_field_it_is_the_tenant() {
        let name = HeaderName::from_static("x-user");
        let by_field = split(&[("a", 1), ("b", 1)], Some(Sticky::Header(name.clone())));
        let by_tenant = split(&[("a", 1), ("b", 1)], Some(Sticky::Tenant));
        for id in 0..50 {
            let id = format!("id-{id}");
            let fields = HeaderMap::from_iter([(name.clone(), HeaderValue::try_from(&*id).unwrap())]);
            let of_field = by_field.choose(&fields, "acme", || 0).to.copied();
            assert_eq!(of_field, Some(of_tenant(&by_tenant, &id)));
            assert_eq!(of_tenant(&by_field, &id), of_tenant(&by_tenant, &id));
        }
    }

    proptest! {
        /// Whatever the weights are: where one grows, keys move to it alone, and where their order changes, none moves.
        #[test]
        fn only_what_must_moves(
            weights in proptest::collection::vec(0..100_u32, 2..6),
            at in 0..6_usize,
            more in 1..100_u32,
        ) {
            let names = ["a", "b", "c", "d", "e", "f"];
            let before: Vec<_> = names.iter().copied().zip(weights.iter().copied()).collect();
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let at = at % before.len();
            let mut after = before.clone();
            after[at].1 += more;
            let (grown, name) = (split(&after, Some(Sticky::Tenant)), after[at].0);
            let reordered: Vec<_> = before.iter().rev().copied().collect();
            let (before, reordered) =
                (split(&before, Some(Sticky::Tenant)), split(&reordered, Some(Sticky::Tenant)));
            for key in 0..200 {
                let key = format!("tenant-{key}");
                let (was, is) = (of_tenant(&before, &key), of_tenant(&grown, &key));
                prop_assert!(was == is || is == name, "{key} moved from {was} to {is}");
                prop_assert_eq!(was, of_tenant(&reordered, &key));
            }
        }
    }
}
