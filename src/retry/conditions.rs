//! What went wrong with a try, and whether that is a reason for another.
//!
//! Two things have to agree. The operator says what a pool retries: that is a wish. What has been sent decides
//! whether it may be: RFC 9110 §9.2.2 lets an intermediary repeat a request by itself only if its method is
//! idempotent, or if it knows that the request was never applied. And whatever is repeated must be at
//! hand: a body that has gone by is gone.
//!
//! A status is an answer: the request was applied, so only idempotent ones are sent again for it.

/// What a pool retries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    connect_failure: bool,
    reset: bool,
    /// One bit a status, from 500.
    statuses: [u64; 2],
}

/// How a try went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// There was no connection.
    Connect,
    /// The connection broke before the response's head was there, or what came was no HTTP.
    Reset,
    /// The time for this try was over.
    Timeout,
    /// The endpoint answered with this status.
    Status(u16),
}

/// What stands in the way of sending a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Whether any byte of it may have reached an endpoint.
    pub any: bool,
    /// Whether its method is idempotent (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Whether all of it is still at hand.
    pub at_hand: bool,
}

impl Conditions {
    /// Retries nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Also when there is no connection.
    #[must_use]
    pub fn connect_failure(self) -> Self {
        Self { connect_failure: true, ..self }
    }

    /// Also when the connection broke, or a try took too long.
    #[must_use]
    pub fn reset(self) -> Self {
        Self { reset: true, ..self }
    }

    /// Also at this status. None but those of 500 to 599 can be retried.
    #[must_use]
    pub fn status(mut self, status: u16) -> Option<Self> {
        let (word, bit) = place(status)?;
        *self.statuses.get_mut(word)? |= bit;
        Some(self)
    }

    /// Whether this is something that is retried at all.
    #[must_use]
    pub fn matches(&self, failed: Failed) -> bool {
        match failed {
            Failed::Connect => self.connect_failure,
            Failed::Reset | Failed::Timeout => self.reset,
            Failed::Status(status) => self.has_status(status),
        }
    }

    /// Whether a request that has gone wrong so may be sent again.
    #[must_use]
    pub fn allow(&self, failed: Failed, sent: Sent) -> bool {
        self.matches(failed) && sent.may_repeat(failed)
    }

    fn has_status(&self, status: u16) -> bool {
        place(status).is_some_and(|(word, bit)| self.statuses.get(word).is_some_and(|bits| bits & bit != 0))
    }
}

impl Sent {
    /// Whether nothing happens twice if it is sent again, and all of it can be.
    #[must_use]
    pub fn may_repeat(&self, failed: Failed) -> bool {
        // An answer says that the request arrived, whatever else is thought.
        let arrived = self.any || matches!(failed, Failed::Status(_));
        self.at_hand && (self.idempotent || !arrived)
    }
}

/// A status's word and bit.
fn place(status: u16) -> Option<(usize, u64)> {
    let at = status.checked_sub(500).filter(|at| *at < 100)?;
    Some((usize::from(at / 64), 1 << (at % 64)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    /// What a pool retries if its operator writes what the example has.
    fn example() -> Conditions {
        let statuses = [502, 503, 504];
        let conditions = Conditions::none().connect_failure().reset();
        statuses.into_iter().fold(conditions, |conditions, status| conditions.status(status).unwrap())
    }

    const POST: Sent = Sent { any: true, idempotent: false, at_hand: true };
    const GET: Sent = Sent { any: true, idempotent: true, at_hand: true };

    #[test]
    fn what_may_have_had_an_effect_is_not_repeated() {
        let conditions = example();
        for failed in [Failed::Reset, Failed::Timeout, Failed::Status(503)] {
            assert!(conditions.allow(failed, GET), "{failed:?}");
            assert!(!conditions.allow(failed, POST), "{failed:?}");
            assert!(!conditions.allow(failed, Sent { at_hand: false, ..GET }), "{failed:?}");
        }
        let unsent = Sent { any: false, ..POST };
        assert!(conditions.allow(Failed::Connect, unsent));
        assert!(conditions.allow(Failed::Reset, unsent));
        assert!(!conditions.allow(Failed::Status(503), unsent), "an answer is to something");
    }

    #[test]
    fn what_the_operator_did_not_ask_for_is_not_repeated() {
        assert!(!example().allow(Failed::Status(500), GET));
        let none = Conditions::none();
        for failed in [Failed::Connect, Failed::Reset, Failed::Timeout, Failed::Status(503)] {
            assert!(!none.allow(failed, GET));
        }
        assert!(none.connect_failure().matches(Failed::Connect));
        assert!(!none.connect_failure().matches(Failed::Reset));
    }

    proptest! {
        #[test]
        fn statuses_are_a_set(asked in btree_set(0..700_u16, 0..20), status in 0..700_u16) {
            let mut conditions = Conditions::none();
            let mut taken = BTreeSet::new();
            for status in asked {
                prop_assert_eq!(conditions.status(status).is_some(), (500..=599).contains(&status));
                if let Some(more) = conditions.status(status) {
                    conditions = more;
                    taken.insert(status);
                }
            }
            prop_assert_eq!(conditions.matches(Failed::Status(status)), taken.contains(&status));
        }
    }
}
