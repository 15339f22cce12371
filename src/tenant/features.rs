//! The features that tenants have: what of them depends on a tenant's id is settled when it is cast, what depends on the time
//! is asked of the clock and kept until it changes.

use std::fmt;
use std::hash::Hasher;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use siphasher::sip::SipHasher13;

use crate::time::Clock;
use crate::types::TenantId;

/// A feature, and when it is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureTerm {
    /// Its name: one word.
    pub name: Arc<str>,
    /// From when on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// From when on not any more, likewise.
    pub until_ms: Option<i64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Features(When);

enum When {
    Always(FeatureList),
    Dated(Box<Dated>),
}

/// Features of which some come and go.
struct Dated {
    terms: Box<[FeatureTerm]>,
    field: Option<Arc<str>>,
    clock: Clock,
    now: ArcSwap<FeatureList>,
}

/// The features that are had for a while.
#[derive(Debug, PartialEq, Eq)]
pub struct FeatureList {
    /// Sorted, each once.
    names: Box<[Arc<str>]>,
    /// The line of a head that tells them, behind the end of the one before; empty where none is had, or none to be told.
    line: Box<[u8]>,
    from_ms: i64,
    until_ms: i64,
}

/// The features at a moment.
pub enum FeaturesNow<'f> {
    /// That are the same at any.
    Always(&'f FeatureList),
    /// That hold for a while.
    Dated(Guard<Arc<FeatureList>>),
}

impl Features {
    /// Features on these terms, of which each name is there once. They are told to applications under the name of a `field`.
    #[must_use]
    pub fn new(mut terms: Vec<FeatureTerm>, field: Option<&Arc<str>>, clock: &Clock) -> Self {
        terms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let terms = terms.into_boxed_slice();
        let has_dates = terms.iter().any(|term| term.from_ms.is_some() || term.until_ms.is_some());
        let now = FeatureList::at(clock.unix_ms(), &terms, field.map(AsRef::as_ref));
        if !has_dates {
            return Self(When::Always(now));
        }
        let (field, clock, now) = (field.cloned(), clock.clone(), ArcSwap::from_pointee(now));
        Self(When::Dated(Box::new(Dated { terms, field, clock, now })))
    }

    /// Those that are had now. Costs a look at the clock where some come and go, and else nothing.
    #[must_use]
    pub fn now(&self) -> FeaturesNow<'_> {
        match &self.0 {
            When::Always(list) => FeaturesNow::Always(list),
            When::Dated(dated) => FeaturesNow::Dated(dated.now()),
        }
    }
}

impl Dated {
    fn now(&self) -> Guard<Arc<FeatureList>> {
        let now_ms = self.clock.unix_ms();
        let known = self.now.load();
        if known.holds_at(now_ms) {
            return known;
        }
        // Workers that come at once make the same.
        self.now.store(Arc::new(FeatureList::at(now_ms, &self.terms, self.field.as_deref())));
        self.now.load()
    }
}

impl FeatureList {
    /// What is had at a moment, and how long that stays so. The terms are sorted by name.
    fn at(now_ms: i64, terms: &[FeatureTerm], field: Option<&str>) -> Self {
        let has = |term: &&FeatureTerm| {
            term.from_ms.is_none_or(|from| from <= now_ms) && term.until_ms.is_none_or(|until| now_ms < until)
        };
        let names: Box<[Arc<str>]> = terms.iter().filter(has).map(|term| Arc::clone(&term.name)).collect();
        let line = match field.filter(|_| !names.is_empty()) {
            Some(field) => format!("\r\n{field}: {}", names.join(",")).into_bytes().into(),
            None => Box::default(),
        };
        let changes = || terms.iter().flat_map(|term| [term.from_ms, term.until_ms]).flatten();
        let from_ms = changes().filter(|at| *at <= now_ms).max().unwrap_or(i64::MIN);
        let until_ms = changes().filter(|at| *at > now_ms).min().unwrap_or(i64::MAX);
        Self { names, line, from_ms, until_ms }
    }

    /// Whether a feature is among them.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.names.binary_search_by(|own| (**own).cmp(feature)).is_ok()
    }

    /// Their names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// The line of a head that tells them, with the line break before it and without the one behind it. Empty where there is
    /// nothing to tell.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// From when on these are had and no others, in milliseconds since 1970.
    #[must_use]
    pub fn from_ms(&self) -> i64 {
        self.from_ms
    }

    /// Until when, likewise.
    #[must_use]
    pub fn until_ms(&self) -> i64 {
        self.until_ms
    }

    fn holds_at(&self, now_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&now_ms)
    }
}

impl Default for FeatureList {
    fn default() -> Self {
        Self { names: Box::default(), line: Box::default(), from_ms: i64::MIN, until_ms: i64::MAX }
    }
}

impl Default for When {
    fn default() -> Self {
        Self::Always(FeatureList::default())
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(list) => f.debug_list().entries(list.names()).finish(),
            Self::Dated(dated) => f.debug_list().entries(&dated.terms).finish(),
        }
    }
}

impl Deref for FeaturesNow<'_> {
    type Target = FeatureList;

    fn deref(&self) -> &FeatureList {
        match self {
            Self::Always(list) => list,
            Self::Dated(list) => list,
        }
    }
}

/// Whether a tenant is among so many of a hundred that a feature is rolled out to: always the same ones, in every gateway and
/// version, other ones for each feature, and more of them, never others, when there are to be more.
#[must_use]
pub fn is_rolled_out(feature: &str, percent: u8, tenant: &TenantId) -> bool {
    let mut hasher = SipHasher13::new();
    hasher.write(feature.as_bytes());
    // No name has it, so that no two pairs are one text.
    hasher.write(&[0]);
    hasher.write(tenant.as_str().as_bytes());
    hasher.finish() % 100 < u64::from(percent)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn term(name: &str, from_ms: Option<i64>, until_ms: Option<i64>) -> FeatureTerm {
        FeatureTerm { name: name.into(), from_ms, until_ms }
    }

    fn names(features: &Features) -> Vec<String> {
        features.now().names().map(ToOwned::to_owned).collect()
    }

    fn tenant(number: u32) -> TenantId {
        TenantId::parse(&format!("t-{number}")).unwrap()
    }

    #[test]
    fn features_come_and_go_at_their_time_whichever_way_the_clock_is_set() {
        let (clock, hand) = Clock::manual();
        let start = clock.unix_ms();
        let field: Arc<str> = "x-tenant-features".into();
        let terms = vec![
            term("sso", None, None),
            term("new-ui", Some(start + 1_000), None),
            term("beta", None, Some(start + 2_000)),
        ];
        let features = Features::new(terms, Some(&field), &clock);
        assert_eq!(names(&features), ["beta", "sso"]);
        assert_eq!(features.now().line(), b"\r\nx-tenant-features: beta,sso");
        hand.advance(Duration::from_millis(999));
        assert!(!features.now().has("new-ui"));
        hand.advance(Duration::from_millis(1));
        assert_eq!(names(&features), ["beta", "new-ui", "sso"]);
        hand.advance(Duration::from_secs(1));
        assert_eq!(names(&features), ["new-ui", "sso"]);
        assert_eq!((features.now().from_ms(), features.now().until_ms()), (start + 2_000, i64::MAX));
        hand.set_unix_ms(start);
        assert_eq!(features.now().line(), b"\r\nx-tenant-features: beta,sso");
    }

    #[test]
    fn nothing_is_told_where_nothing_is_had_or_nobody_asks() {
        let clock = Clock::system();
        assert_eq!(Features::new(Vec::new(), Some(&"x-f".into()), &clock).now().line(), b"");
        assert_eq!(Features::new(vec![term("sso", None, None)], None, &clock).now().line(), b"");
        assert!(!Features::default().now().has("sso"));
    }

    #[test]
    fn a_part_of_the_tenants_is_that_large_and_another_one_for_each_feature() {
        let among = |feature: &str, percent| {
            (0..10_000).filter(|number| is_rolled_out(feature, percent, &tenant(*number))).count()
        };
        assert_eq!((among("new-ui", 0), among("new-ui", 100)), (0, 10_000));
        for percent in [1_u8, 10, 50, 90] {
            let expected = usize::from(percent) * 100;
            assert!(among("new-ui", percent).abs_diff(expected) < 200, "{percent}");
        }
        let both = (0..10_000).filter(|number| {
            let tenant = tenant(*number);
            is_rolled_out("new-ui", 50, &tenant) && is_rolled_out("search", 50, &tenant)
        });
        assert!(both.count().abs_diff(2_500) < 200);
    }

    /// Whoever has a feature keeps it through every update of the gateway.
    #[test]
    fn who_is_among_them_does_not_change() {
        let among: Vec<u32> =
            (0..40).filter(|number| is_rolled_out("new-ui", 10, &tenant(*number))).collect();
        assert_eq!(among, WHO_HAS_NEW_UI);
    }

    const WHO_HAS_NEW_UI: [u32; 7] = [21, 22, 25, 26, 28, 36, 37];

    proptest! {
        #[test]
        fn more_is_never_others(number: u32, percent in 0_u8..100) {
            let tenant = tenant(number);
            prop_assert!(!is_rolled_out("f", percent, &tenant) || is_rolled_out("f", percent + 1, &tenant));
        }

        /// At any moment, after whatever others, the same as asked of each term on its own.
        #[test]
        fn what_is_kept_is_what_is_had(
            dates in prop::collection::vec((prop::option::of(0_i64..20), prop::option::of(0_i64..20)), 0..6),
            moments in prop::collection::vec(0_i64..20, 1..20),
        ) {
            let (clock, hand) = Clock::manual();
            let named = dates.iter().enumerate().map(|(at, (from, until))| term(&format!("f{at}"), *from, *until));
            let features = Features::new(named.collect(), None, &clock);
            for now in moments {
                hand.set_unix_ms(now);
                for (at, (from, until)) in dates.iter().enumerate() {
                    let is_had = from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until);
                    prop_assert_eq!(features.now().has(&format!("f{at}")), is_had);
                }
            }
        }
    }
}
