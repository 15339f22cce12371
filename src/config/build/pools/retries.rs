//! Retries.

use std::time::Duration;

use super::{Builder, either};
use crate::config::decode::{List, Spanned};
use crate::config::document::{Backoff, Retries, RetryOn};
use crate::config::written;
use crate::types::{ByteSize, Percent, TimeSpan};

/// The largest request body that may be kept. Each request in flight may hold as much.
const BUFFER_MAX: u64 = 16 << 20;

impl Builder<'_> {
    pub(super) fn retries(&self, written: &written::Retries) -> Retries {
        let max = self.between(written.max.as_ref(), 2, 0..=u32::from(Retries::MAX));
        Retries {
            max: u8::try_from(max).unwrap_or(Retries::MAX),
            on: self.retry_on(written.on.as_ref()),
            budget: written.budget.map_or(Percent::new(20), |part| part.value),
            tenant_budget: written.tenant_budget.map_or(Percent::new(50), |part| part.value),
            per_try_timeout: self.maybe_deadline(written.per_try_timeout.as_ref()),
            backoff: self.backoff(&written.backoff),
            buffer_bytes: self.retry_buffer(written.buffer.as_ref()),
        }
    }

    fn retry_on(&self, written: Option<&Spanned<List<written::RetryOn>>>) -> RetryOn {
        let Some(written) = written else {
            return RetryOn { connect_failure: true, reset: true, statuses: vec![502, 503, 504] };
        };
        if written.value.0.is_empty() && self.findings.errors_in(written.mark.file) == 0 {
            self.findings
                .error("invalid-value", written.key, "nothing is left to retry after")
                .hint("write `max: 0` for no retries, or leave it out for the default");
        }
        let mut on = RetryOn::default();
        for after in &written.value.0 {
            match after {
                written::RetryOn::ConnectFailure => on.connect_failure = true,
                written::RetryOn::Reset => on.reset = true,
                written::RetryOn::Status(status) => on.statuses.push(*status),
            }
        }
        on.statuses.sort_unstable();
        on.statuses.dedup();
        on
    }

    fn backoff(&self, written: &written::Backoff) -> Backoff {
        let or = |written: Option<&Spanned<TimeSpan>>, millis: u64| {
            written.map_or(Duration::from_millis(millis), |span| span.value.0)
        };
        let base = or(written.base.as_ref(), 25);
        // A base above the default of the greatest raises it; only what is written is held against it.
        let max = if written.max.is_some() { or(written.max.as_ref(), 250) } else { base.max(or(None, 250)) };
        self.in_order(("base", base), ("max", max), either(written.max.as_ref(), written.base.as_ref()));
        Backoff { base, max }
    }

    fn retry_buffer(&self, written: Option<&Spanned<ByteSize>>) -> u64 {
        let Some(size) = written else { return 64 << 10 };
        if size.value.0 > BUFFER_MAX {
            let message = format!("`{}` is more than {}", size.value, ByteSize(BUFFER_MAX));
            self.findings
                .error("invalid-value", size.mark, message)
                .hint("each request may hold as much; leave it out for 64KiB");
        }
        size.value.0
    }
}
