//! Bounds on connections and messages.

use std::time::Duration;

use super::Builder;
use crate::config::decode::{Spanned, WordOr};
use crate::config::document::{Limits, MinRate};
use crate::config::source::Mark;
use crate::config::written::{self, RateWord};
use crate::types::{ByteSize, TimeSpan};

impl Builder<'_> {
    pub(super) fn limits(&self, written: Option<&written::Limits>) -> Limits {
        let nothing = written::Limits::default();
        let written = written.unwrap_or(&nothing);
        let kib = |kib: usize| kib * 1024;
        Limits {
            header_read_timeout: self.deadline(written.header_read_timeout.as_ref(), 10),
            max_header_bytes: self.bytes(written.max_header_bytes.as_ref(), kib(64), kib(8)),
            max_headers: self.fields(written.max_headers.as_ref()),
            max_request_target_bytes: self.bytes(written.max_request_target_bytes.as_ref(), kib(8), 256),
            max_streams_per_connection: self.streams(written.max_streams_per_connection.as_ref()),
            max_streams_per_tenant: self.of_tenant(written.max_streams_per_tenant.as_ref()),
            max_connections: self.count(written.max_connections.as_ref(), 100_000),
            max_connections_per_client: self.count(written.max_connections_per_client.as_ref(), 1_000),
            max_connections_per_tenant: self.of_tenant(written.max_connections_per_tenant.as_ref()),
            client_ipv6_prefix: self.prefix(written.client_ipv6_prefix.as_ref()),
            proxy_header_timeout: self.deadline(written.proxy_header_timeout.as_ref(), 5),
            tls_handshake_timeout: self.deadline(written.tls_handshake_timeout.as_ref(), 10),
            max_pending_handshakes: self.count(written.max_pending_handshakes.as_ref(), 10_000),
            keep_alive_timeout: self.deadline(written.keep_alive_timeout.as_ref(), 75),
            write_timeout: self.deadline(written.write_timeout.as_ref(), 60),
            min_request_rate: self.min_rate(written.min_request_rate.as_ref()),
            min_response_rate: self.min_rate(written.min_response_rate.as_ref()),
            max_requests_per_connection: written.max_requests_per_connection.as_ref().map(|count| {
                self.above_zero(count.value > 0, count.mark, "any number of requests");
                count.value
            }),
            max_connection_age: written.max_connection_age.as_ref().map(|age| {
                self.above_zero(!age.value.0.is_zero(), age.mark, "any age");
                age.value.0
            }),
            drain: written.drain.map_or(Duration::from_secs(30), |drain| drain.value.0),
        }
    }

    /// A deadline, which can't be zero: nothing would ever meet it.
    pub(super) fn deadline(&self, written: Option<&Spanned<TimeSpan>>, default_seconds: u64) -> Duration {
        let Some(span) = written else { return Duration::from_secs(default_seconds) };
        if span.value.0.is_zero() {
            self.findings
                .error("invalid-value", span.mark, "a deadline of zero can't be met")
                .hint(format!("leave it out for {default_seconds}s, or write a duration above zero"));
        }
        span.value.0
    }

    /// A bound that there is only where it is written.
    fn above_zero(&self, is_above: bool, mark: Mark, without: &str) {
        if !is_above {
            self.findings
                .error("invalid-value", mark, "a limit of zero lets nothing in")
                .hint(format!("leave it out for {without}"));
        }
    }

    fn prefix(&self, written: Option<&Spanned<u8>>) -> u8 {
        let Some(bits) = written else { return 64 };
        if !(1..=128).contains(&bits.value) {
            self.findings
                .error("invalid-value", bits.mark, format!("`{}` is not from 1 to 128", bits.value))
                .hint("leave it out for 64, the network that one client has as a rule");
        }
        bits.value
    }

    fn min_rate(&self, written: Option<&Spanned<WordOr<RateWord, written::MinRate>>>) -> Option<MinRate> {
        let nothing = written::MinRate { per_second: None, grace: None };
        let written = match written.map(|rate| &rate.value) {
            Some(WordOr::Word(RateWord::Off)) => return None,
            Some(WordOr::Mapping(rate)) => rate,
            None => &nothing,
        };
        let per_second = written.per_second.map_or(240, |size| {
            if size.value.0 == 0 {
                self.findings
                    .error("invalid-value", size.mark, "a rate of zero is none")
                    .hint("write `off` in the place of the mapping, or a size above zero");
            }
            size.value.0
        });
        Some(MinRate { per_second, grace: self.deadline(written.grace.as_ref(), 20) })
    }

    fn count(&self, written: Option<&Spanned<usize>>, default: usize) -> usize {
        let Some(count) = written else { return default };
        if count.value == 0 {
            self.findings
                .error("invalid-value", count.mark, "a limit of zero lets nothing in")
                .hint(format!("leave it out for {default}"));
        }
        count.value
    }

    fn of_tenant(&self, written: Option<&Spanned<u32>>) -> Option<u32> {
        let count = written?;
        if count.value == 0 {
            self.findings
                .error("invalid-value", count.mark, "a limit of zero lets nothing in")
                .hint("leave it out for no bound but those of plans");
        }
        Some(count.value)
    }

    /// A map of fields holds 24,000, and the gateway adds its own.
    fn fields(&self, written: Option<&Spanned<usize>>) -> usize {
        let Some(count) = written else { return 100 };
        if !(1..=16_384).contains(&count.value) {
            self.findings
                .error("invalid-value", count.mark, format!("`{}` is not from 1 to 16384", count.value))
                .hint("leave it out for 100; few applications take more than some hundred");
        }
        count.value
    }

    fn streams(&self, written: Option<&Spanned<u32>>) -> u32 {
        let Some(count) = written else { return 250 };
        if !(1..=1000).contains(&count.value) {
            self.findings
                .error("invalid-value", count.mark, format!("`{}` is not from 1 to 1000", count.value))
                .hint("leave it out for 250; clients open a connection more when one is full");
        }
        count.value
    }

    fn bytes(&self, written: Option<&Spanned<ByteSize>>, default: usize, min: usize) -> usize {
        let Some(size) = written else { return default };
        let bytes = usize::try_from(size.value.0).unwrap_or(usize::MAX);
        let max = 16 << 20;
        if !(min..=max).contains(&bytes) {
            let (min, max) = (ByteSize(min as u64), ByteSize(max as u64));
            self.findings
                .error("invalid-value", size.mark, format!("`{}` is not from {min} to {max}", size.value))
                .hint(format!("leave it out for {}", ByteSize(default as u64)));
        }
        bytes
    }
}
