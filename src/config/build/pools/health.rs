//! Health checks, and ejection of endpoints that fail.

use std::time::Duration;

use http::Method;
use http::uri::PathAndQuery;

use super::{Builder, either};
use crate::config::decode::{List, Spanned};
use crate::config::document::{HealthCheck, HttpProbe, OutlierDetection, Probe, SuccessRate};
use crate::config::source::Mark;
use crate::config::written::{self, Text};
use crate::types::{HostName, Percent};

impl Builder<'_> {
    pub(super) fn health_check(&self, written: &written::HealthCheck) -> HealthCheck {
        let interval = self.deadline(written.interval.as_ref(), 5);
        let timeout = self.deadline(written.timeout.as_ref(), 1);
        let mark = either(written.timeout.as_ref(), written.interval.as_ref());
        self.in_order(("timeout", timeout), ("interval", interval), mark);
        HealthCheck {
            probe: self.probe(written),
            interval,
            timeout,
            healthy: self.between(written.healthy.as_ref(), 2, 1..=100),
            unhealthy: self.between(written.unhealthy.as_ref(), 3, 1..=100),
        }
    }

    fn probe(&self, written: &written::HealthCheck) -> Probe {
        let Some(path) = &written.path else {
            let keys: [(&str, Option<Mark>); 3] = [
                ("method", written.method.as_ref().map(|method| method.key)),
                ("host", written.host.as_ref().map(|host| host.key)),
                ("expect", written.expect.as_ref().map(|expect| expect.key)),
            ];
            for (name, mark) in keys {
                let Some(mark) = mark else { continue };
                self.findings
                    .error(
                        "invalid-value",
                        mark,
                        format!("`{name}` is for a request, and there is no `path`"),
                    )
                    .hint("add a `path`, or remove it: without one, taking a connection is enough");
            }
            return Probe::Connect;
        };
        Probe::Http(HttpProbe {
            method: self.probe_method(written.method.as_ref()),
            path: self.probe_path(path),
            host: written.host.as_ref().map(|host| self.probe_host(host)),
            expect: self.expected(written.expect.as_ref()),
        })
    }

    fn probe_method(&self, written: Option<&Spanned<Text<Method>>>) -> Method {
        let Some(method) = written else { return Method::GET };
        if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&method.value.0) {
            let message =
                format!("`{}` is no method for health checks: it may change something", method.value.0);
            self.findings.error("invalid-value", method.mark, message).hint("write GET, HEAD or OPTIONS");
        }
        method.value.0.clone()
    }

    fn probe_path(&self, written: &Spanned<String>) -> String {
        let path = &written.value;
        let wrong = if !path.starts_with('/') {
            Some(("does not begin with a slash", format!("write /{path}")))
        } else if path.contains('#') {
            Some(("has a fragment, which is never sent", "remove it".to_owned()))
        } else if path.parse::<PathAndQuery>().is_err() {
            Some(("is no path", "write one as it is sent, like /healthz".to_owned()))
        } else {
            None
        };
        if let Some((what, hint)) = wrong {
            self.findings.error("invalid-value", written.mark, format!("`{path}` {what}")).hint(hint);
        }
        path.clone()
    }

    fn probe_host(&self, written: &Spanned<String>) -> String {
        if let Err(error) = HostName::parse(written.value.as_bytes()) {
            self.findings
                .error("invalid-value", written.mark, format!("`{}` is no host: {error}", written.value))
                .hint("write a host as it stands in a Host header, like app.internal");
        }
        written.value.clone()
    }

    fn expected(
        &self,
        written: Option<&Spanned<List<Spanned<written::Statuses>>>>,
    ) -> Vec<std::ops::RangeInclusive<u16>> {
        let Some(written) = written else { return vec![200..=399] };
        if written.value.0.is_empty() && self.findings.errors_in(written.mark.file) == 0 {
            self.findings
                .error("invalid-value", written.key, "no status means health")
                .hint("leave it out for [200-399]");
        }
        written.value.0.iter().map(|statuses| statuses.value.0.clone()).collect()
    }

    pub(super) fn outliers(&self, written: &written::OutlierDetection) -> OutlierDetection {
        let base = self.deadline(written.base_ejection.as_ref(), 30);
        // A base above the default of the longest raises it; only what is written is held against it.
        let max = match &written.max_ejection {
            Some(max) => self.deadline(Some(max), 300),
            None => Duration::from_secs(300).max(base),
        };
        let mark = either(written.max_ejection.as_ref(), written.base_ejection.as_ref());
        self.in_order(("base_ejection", base), ("max_ejection", max), mark);
        let percent = self.between(written.max_ejected_percent.as_ref(), 50, 1..=100);
        OutlierDetection {
            consecutive_failures: self.between(written.consecutive_failures.as_ref(), 5, 1..=1_000),
            interval: self.deadline(written.interval.as_ref(), 10),
            base_ejection: base,
            max_ejection: max,
            max_ejected: Percent::new(u8::try_from(percent).unwrap_or(100)),
            success_rate: written.success_rate.as_ref().map(|rate| self.success_rate(rate)),
            min_tenants: self.between(written.min_tenants.as_ref(), 2, 1..=4),
        }
    }

    fn success_rate(&self, written: &written::SuccessRate) -> SuccessRate {
        let factor = written.stdev_factor.as_ref();
        if let Some(factor) = factor.filter(|factor| !(0.001..=100.0).contains(&factor.value)) {
            self.findings
                .error("invalid-value", factor.mark, format!("`{}` is not from 0.001 to 100", factor.value))
                .hint("leave it out for 1.9");
        }
        // The bounds above keep it far from what a cast would cut.
        let milli = factor.map_or(1_900.0, |factor| (factor.value * 1_000.0).round());
        SuccessRate {
            min_hosts: self.between(written.min_hosts.as_ref(), 5, 1..=u32::MAX),
            min_volume: self.between(written.min_volume.as_ref(), 100, 1..=u32::MAX),
            stdev_factor_milli: milli as u32,
        }
    }
}
