//! Concurrency: the seats of pools, and what tenants may have of them.

use std::time::Duration;

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::{Concurrency, SeatLimit, Seats};
use crate::config::source::Mark;
use crate::config::written;

/// The most that a weight may be: shares of a tenant with 1 beside one with more would be nothing.
const WEIGHT_MAX: u32 = 10_000;
/// The most requests that may wait: each holds memory and a connection.
const QUEUE_MAX: u32 = 1_000_000;

impl Builder<'_> {
    pub(super) fn concurrency(&self, written: Option<&written::Concurrency>) -> Concurrency {
        let Some(written) = written else { return Concurrency::default() };
        let max = self.positive(written.max.as_ref(), "a limit of zero lets nothing in");
        let reserved = written.reserved.as_ref();
        if let (Some(max), Some(reserved)) = (max, reserved.filter(|reserved| Some(reserved.value) > max)) {
            self.findings
                .error("invalid-value", reserved.mark, "more seats are reserved than the tenant may hold")
                .hint(format!("write {max} or less, or raise `max`"));
        }
        Concurrency {
            weight: self.at_most(
                self.positive(written.weight.as_ref(), "a weight of zero would never be served"),
                written.weight.as_ref(),
                WEIGHT_MAX,
            ),
            max,
            queue: self.at_most(
                written.queue.as_ref().map(|queue| queue.value),
                written.queue.as_ref(),
                QUEUE_MAX,
            ),
            max_wait: written.max_wait.as_ref().map(|wait| {
                if wait.value.0.is_zero() {
                    self.findings
                        .error("invalid-value", wait.mark, "a wait of zero is none")
                        .hint("write `queue: 0` where no request should wait");
                }
                wait.value.0
            }),
            reserved: reserved.map(|reserved| reserved.value),
        }
    }

    pub(super) fn seats(&self, written: Option<&Spanned<written::Seats>>) -> Seats {
        let seats = written.map(|written| &written.value);
        let streams = seats.map(|seats| &seats.streams);
        let none = "a limit of zero lets nothing in";
        let limit = |written: Option<&Spanned<u32>>| self.positive(written, none);
        Seats {
            limit: written.and_then(|written| self.seat_limit(&written.value, written.mark)),
            streams_max: streams.and_then(|streams| limit(streams.limit.as_ref())).unwrap_or(10_000),
            streams_max_per_tenant: streams
                .and_then(|streams| limit(streams.max_per_tenant.as_ref()))
                .unwrap_or(1_000),
            stream_after: seats
                .and_then(|seats| seats.stream_after.as_ref())
                .map_or(Duration::from_secs(10), |after| after.value.0),
        }
    }

    fn seat_limit(&self, written: &written::Seats, mark: Mark) -> Option<SeatLimit> {
        match (&written.limit, &written.adaptive) {
            (Some(limit), Some(adaptive)) => {
                self.findings
                    .error(
                        "conflicting-keys",
                        adaptive.mark,
                        "a pool has either a `limit` or an `adaptive` one",
                    )
                    .hint("remove one of the two")
                    .see(limit.mark, "the other one is");
                None
            }
            (Some(limit), None) => {
                self.positive(Some(limit), "a pool without seats serves nobody").map(SeatLimit::Fixed)
            }
            (None, Some(adaptive)) => Some(self.adaptive(&adaptive.value, adaptive.mark)),
            (None, None) => {
                // A pool may only say something of its streams.
                if written.streams.limit.is_none()
                    && written.streams.max_per_tenant.is_none()
                    && written.stream_after.is_none()
                {
                    self.findings
                        .error("missing-key", mark, "how many seats the pool has is missing")
                        .hint("write `limit: 128`, or `adaptive: { min: 16, max: 1024 }`");
                }
                None
            }
        }
    }

    fn adaptive(&self, written: &written::Adaptive, mark: Mark) -> SeatLimit {
        let none = "a pool without seats serves nobody";
        let min = self.positive(written.min.as_ref(), none).unwrap_or(8);
        let max = self.positive(written.max.as_ref(), none).unwrap_or(1024.max(min));
        if min > max {
            let mark = written.max.as_ref().or(written.min.as_ref()).map_or(mark, |bound| bound.mark);
            self.findings
                .error("invalid-value", mark, format!("`min` ({min}) is more than `max` ({max})"))
                .hint("write the fewest seats as `min` and the most as `max`");
        }
        SeatLimit::Adaptive { min, max }
    }

    fn at_most(&self, number: Option<u32>, written: Option<&Spanned<u32>>, most: u32) -> Option<u32> {
        if let Some(written) = written.filter(|written| written.value > most) {
            self.findings
                .error("invalid-value", written.mark, format!("`{}` is too much", written.value))
                .hint(format!("write {most} or less"));
        }
        number
    }
}
