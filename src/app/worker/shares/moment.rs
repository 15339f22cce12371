//! Moments that are compared and moved several times with each poll.

use std::sync::LazyLock;

use tokio::time::{Duration, Instant};

/// What moments are counted from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// That one's number: there are earlier ones.
const START: u64 = 1 << 60;

/// A moment, in nanoseconds: an [`Instant`] has seconds beside them, and is several times as dear to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn now() -> Self {
        Self::of(Instant::now())
    }

    pub(super) fn of(instant: Instant) -> Self {
        match instant.checked_duration_since(*EPOCH) {
            Some(since) => Self(START.saturating_add(ns(since))),
            None => Self(START.saturating_sub(ns(EPOCH.saturating_duration_since(instant)))),
        }
    }

    pub(super) fn and(self, then: Duration) -> Self {
        Self(self.0.saturating_add(ns(then)))
    }

    /// How long it is after another; nothing, if it is before.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    #[cfg(test)]
    pub(super) fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(ns(by)))
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_as_far_from_each_other_as_instants() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let moment = Moment::of(now);
        assert_eq!(Moment::of(now + second), moment.and(second));
        assert_eq!(Moment::of(now - second * 60), moment.before(second * 60));
        assert_eq!(
            (moment.and(second).since(moment), moment.since(moment.and(second))),
            (second, Duration::ZERO)
        );
    }
}
