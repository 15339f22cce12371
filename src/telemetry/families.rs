//! Every metric family of the gateway: its name, kind, labels and help, declared here and nowhere else.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::{Bounds, HistogramReading};

/// A metric family.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
}

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) static $id: Family = Family {
            name: $name, help: $help, kind: MetricType::$kind, labels: &[$($label),*],
        };)*
        /// All of them, for what must hold of each.
        #[cfg(test)]
        pub(super) static ALL: &[&Family] = &[$(&$id),*];
    };
}

families! {
    REQUESTS: COUNTER "tollgate_requests_total" ["tenant", "code"]
        "Requests answered, by class of status.";
    REQUEST_DURATION: HISTOGRAM "tollgate_request_duration_seconds" ["tenant"]
        "Time from a request's head to the last byte of its response.";
    REJECTED: COUNTER "tollgate_rejected_total" ["tenant", "reason"]
        "Requests that the gateway refused itself, by the code of the refusal.";
    SHADOW_REJECTED: COUNTER "tollgate_shadow_rejected_total" ["tenant", "limit"]
        "Requests that a limit would have refused, had it not been set to count only.";
    IN_FLIGHT: GAUGE "tollgate_requests_in_flight" ["tenant"]
        "Requests being served now.";
    REQUEST_BYTES: COUNTER "tollgate_request_bytes_total" ["tenant"]
        "Bytes of request bodies received.";
    RESPONSE_BYTES: COUNTER "tollgate_response_bytes_total" ["tenant"]
        "Bytes of response bodies sent.";
    OVERHEAD_DURATION: HISTOGRAM "tollgate_overhead_duration_seconds" []
        "Time that a request spent in the gateway itself, waits for the upstream excluded.";

    QUEUE_WAIT: HISTOGRAM "tollgate_queue_wait_seconds" ["tenant"]
        "Time that requests waited for a seat of their pool, of those that had to wait.";
    QUEUE_DEPTH: GAUGE "tollgate_queue_depth" ["tenant", "pool"]
        "Requests that wait for a seat of a pool now.";
    POOL_SEATS: GAUGE "tollgate_pool_seats" ["pool"]
        "Seats of a pool; absent where it has as many as are wanted.";
    POOL_SEATS_IN_USE: GAUGE "tollgate_pool_seats_in_use" ["pool"]
        "Seats of a pool that are in use now.";
    POOL_STREAMS: GAUGE "tollgate_pool_streams" ["pool"]
        "Long-lived streams of a pool that are open now, beside its seats.";
    POOL_FAIRNESS: GAUGE "tollgate_pool_fairness_ratio" ["pool"]
        "Jain's index over the seat-time for their weight of the tenants that are backlogged: 1 if all get the same.";
    QUOTA_USED_RATIO: GAUGE "tollgate_quota_used_ratio" ["tenant", "quota"]
        "The share of a quota that is used in its window: 1 is all of it.";
    QUOTA_SOFT_EXCEEDED: GAUGE "tollgate_quota_soft_exceeded" ["tenant", "quota"]
        "Whether a quota's soft threshold is passed (1) or not (0).";
    QUOTA_OUTAGES: COUNTER "tollgate_quota_outages_total" ["policy"]
        "Requests whose quota was decided by its on_outage policy, because the store did not answer in time.";
    STORE_COMMIT_DURATION: HISTOGRAM "tollgate_store_commit_duration_seconds" []
        "Time that a transaction of the store took.";
    STORE_ERRORS: COUNTER "tollgate_store_errors_total" []
        "Transactions of the store that failed.";
    STORE_READ_DURATION: HISTOGRAM "tollgate_store_read_duration_seconds" []
        "Time from asking the store for something to its answer.";
    STORE_READ_ERRORS: COUNTER "tollgate_store_read_errors_total" []
        "Reads of the store that failed.";

    CACHE_HITS: COUNTER "tollgate_tenant_cache_hits" []
        "Lookups of tenants of the store that the cache answered.";
    CACHE_MISSES: COUNTER "tollgate_tenant_cache_misses" []
        "Lookups of tenants that the store had to answer.";
    CACHE_STALE: COUNTER "tollgate_tenant_cache_stale_total" []
        "Requests that were served by what the cache knew longer ago than `tenancy.cache.ttl`.";
    CACHE_LOAD_ERRORS: COUNTER "tollgate_tenant_cache_load_errors_total" []
        "Lookups that the store had no answer for.";
    CACHE_EVICTIONS: COUNTER "tollgate_tenant_cache_evictions_total" []
        "Tenants that made room in the cache, or found none.";
    CACHE_LOAD_DURATION: HISTOGRAM "tollgate_tenant_cache_load_duration_seconds" []
        "Time until the store had answered a lookup.";
    CACHE_ENTRIES: GAUGE "tollgate_tenant_cache_entries" []
        "Tenants in the cache.";
    CACHE_ABSENT: GAUGE "tollgate_tenant_cache_negative_entries" []
        "Hosts and ids that are known to have no tenant.";

    ACME_ORDERS: COUNTER "tollgate_acme_orders_total" ["outcome"]
        "Orders for certificates, by what became of them.";
    ACME_IN_FLIGHT: GAUGE "tollgate_acme_orders_in_flight" []
        "Orders for certificates that are under way now.";
    ACME_QUEUE: GAUGE "tollgate_acme_queue" []
        "Names that wait for an order of theirs to begin.";
    ACME_OVER_BUDGET: COUNTER "tollgate_acme_over_budget_total" ["budget"]
        "Orders that were put off because a budget was used up.";
    CERTIFICATES: GAUGE "tollgate_certificates" ["source", "state"]
        "Certificates that are kept: that hold, that can't be read, that have ended, and names whose last order failed.";
    CERTIFICATE_SOONEST: GAUGE "tollgate_certificate_soonest_expiry_timestamp_seconds" []
        "When the first of the certificates that are kept ends, in seconds since 1970; absent where there is none.";

    UPSTREAM_DURATION: HISTOGRAM "tollgate_upstream_duration_seconds" ["pool"]
        "Time from sending a request to a pool's endpoint to its response's head.";
    UPSTREAM_CONNECTIONS_TOTAL: COUNTER "tollgate_upstream_connections_total" ["pool"]
        "Connections opened to a pool's endpoints.";
    UPSTREAM_CONNECTIONS: GAUGE "tollgate_upstream_connections" ["pool"]
        "Connections to a pool's endpoints that are open now.";
    UPSTREAM_RETRIES: COUNTER "tollgate_upstream_retries_total" ["pool"]
        "Requests sent to a pool's endpoints once more.";
    UPSTREAM_RETRIES_WITHHELD: COUNTER "tollgate_upstream_retries_withheld_total" ["pool"]
        "Retries that were wanted and safe, and for which the budget had no room.";
    MIRRORED: COUNTER "tollgate_mirrored_total" ["pool", "outcome"]
        "Copies of requests for a pool, by what became of them.";
    MIRRORS_IN_FLIGHT: GAUGE "tollgate_mirrors_in_flight" ["pool"]
        "Copies of requests on their way to a pool now.";
    POOL_FAILED_OVER: GAUGE "tollgate_pool_failed_over" ["pool"]
        "Whether a pool's requests go to its failover pool (1) or not (0).";
    POOL_PANICKING: GAUGE "tollgate_pool_panicking" ["pool"]
        "Whether so few endpoints are healthy that health is ignored (1) or not (0).";
    CIRCUIT_OPEN: GAUGE "tollgate_circuit_breaker_open" ["pool", "resource"]
        "Whether as much of a pool is in use as its circuit breaker allows (1) or less (0).";
    CIRCUIT_TRIPPED: COUNTER "tollgate_circuit_breaker_tripped_total" ["pool", "resource", "scope"]
        "What a circuit breaker refused, by the bound that was reached: the pool's, or a tenant's own.";
    ENDPOINT_UP: GAUGE "tollgate_endpoint_up" ["pool", "endpoint"]
        "Whether an endpoint could be connected to last and its checks speak for it (1) or not (0).";
    ENDPOINT_DRAINING: GAUGE "tollgate_endpoint_draining" ["pool", "endpoint"]
        "Whether an operator has told an endpoint to take no new requests (1) or not (0).";
    ENDPOINT_EJECTED: GAUGE "tollgate_endpoint_ejected" ["pool", "endpoint"]
        "Whether an endpoint is left out because its requests failed (1) or not (0).";
    ENDPOINT_EJECTIONS: COUNTER "tollgate_endpoint_ejections_total" ["pool", "endpoint", "cause"]
        "How often an endpoint was ejected: for connections that failed, requests that failed in a row, or its success rate.";
    ENDPOINT_CHECKS: COUNTER "tollgate_endpoint_health_checks_total" ["pool", "endpoint", "result"]
        "Health checks of an endpoint: pass or fail.";
    ENDPOINT_REQUESTS: COUNTER "tollgate_endpoint_requests_total" ["pool", "endpoint"]
        "Requests sent to an endpoint, each attempt counted.";
    ENDPOINT_IN_FLIGHT: GAUGE "tollgate_endpoint_requests_in_flight" ["pool", "endpoint"]
        "Requests that an endpoint is working on now.";
    ENDPOINT_FAILURES: COUNTER "tollgate_endpoint_failures_total" ["pool", "endpoint", "kind"]
        "Requests that an endpoint failed: no connection, a reset, silence, no response, or a status from 500 to 599.";
    ENDPOINT_DURATION: HISTOGRAM "tollgate_endpoint_duration_seconds" ["pool", "endpoint"]
        "Time from sending a request to an endpoint to its response's head.";

    CONNECTIONS: GAUGE "tollgate_connections" ["listener", "protocol"]
        "Connections from clients that are open now.";
    CONNECTIONS_TOTAL: COUNTER "tollgate_connections_total" ["listener"]
        "Connections accepted from clients.";
    CONNECTIONS_REFUSED: COUNTER "tollgate_connections_refused_total" ["reason"]
        "Connections closed before their first request.";
    TLS_HANDSHAKES: COUNTER "tollgate_tls_handshakes_total" ["listener", "version", "resumed"]
        "Handshakes of TLS that came to a session, by its version and whether it is an earlier one.";
    TLS_FAILURES: COUNTER "tollgate_tls_handshake_failures_total" ["listener", "reason"]
        "Handshakes of TLS that came to nothing.";
    TLS_DURATION: HISTOGRAM "tollgate_tls_handshake_duration_seconds" ["listener"]
        "Time from accepting a connection to the end of its handshake, the client's part included.";
    CERTIFICATE_EXPIRY: GAUGE "tollgate_certificate_expiry_timestamp_seconds" ["listener", "name"]
        "When a certificate from a file expires, in seconds since 1970, by its first name.";
    CRL_EXPIRY: GAUGE "tollgate_crl_expiry_timestamp_seconds" ["listener", "issuer"]
        "When a list of revoked certificates of clients is out of date, in seconds since 1970, by its authority.";
    CONNECTIONS_CUT: COUNTER "tollgate_connections_cut_total" ["reason"]
        "Connections that the gateway ended before their clients did, because they idled or were too slow.";
    ACCEPT_PAUSES: COUNTER "tollgate_accept_pauses_total" []
        "How often accepting paused because the process had no file descriptor or memory left.";
    MALFORMED_REQUESTS: COUNTER "tollgate_malformed_requests_total" ["reason"]
        "Requests that broke the rules of HTTP.";

    HTTP2_ABUSE: COUNTER "tollgate_http2_abuse_total" ["kind"]
        "HTTP/2 connections that were ended for too much of what does no work, by the kind of frames.";

    WORKER_CONNECTIONS: GAUGE "tollgate_worker_connections" ["worker"]
        "Connections of clients that a worker has, those included that are on their way to it.";
    WORKER_TASKS: GAUGE "tollgate_worker_tasks" ["worker"]
        "Tasks that live on a worker: its connections, and what they have started.";

    ACCESS_LOG_DROPPED: COUNTER "tollgate_access_log_dropped_total" []
        "Access log entries lost because a buffer was full or the log could not be written.";
    ACCESS_LOG_WRITE_ERRORS: COUNTER "tollgate_access_log_write_errors_total" []
        "Writes to the access log that failed.";

    RELOAD_SUCCESSFUL: GAUGE "tollgate_config_last_reload_successful" []
        "Whether the last reading of the configuration succeeded (1) or not (0).";
    RELOAD_TIMESTAMP: GAUGE "tollgate_config_last_reload_success_timestamp_seconds" []
        "When the configuration in use was read, in seconds since 1970.";
    BUILD_INFO: GAUGE "tollgate_build_info" ["version"]
        "Always 1; the label tells the version that runs.";

    PROCESS_CPU: COUNTER "process_cpu_seconds_total" []
        "Processor time used, user and system together.";
    PROCESS_RESIDENT: GAUGE "process_resident_memory_bytes" []
        "Memory in RAM.";
    PROCESS_VIRTUAL: GAUGE "process_virtual_memory_bytes" []
        "Memory addressed.";
    PROCESS_OPEN_FDS: GAUGE "process_open_fds" []
        "File descriptors open.";
    PROCESS_MAX_FDS: GAUGE "process_max_fds" []
        "File descriptors allowed.";
    PROCESS_START: GAUGE "process_start_time_seconds" []
        "When the process started, in seconds since 1970.";
    PROCESS_THREADS: GAUGE "process_threads" []
        "Threads of the process.";
}

/// Where families' values come from when they are asked for.
pub(super) trait Source: Send + Sync + 'static {
    /// The families that [`Source::collect`] can return.
    fn families() -> &'static [&'static Family];
    /// Their values now. Families without a value are left out by the registry.
    fn collect(&self) -> Vec<MetricFamily>;
}

/// A source as the registry wants it.
pub(super) struct Registered<S> {
    source: Arc<S>,
    descs: Vec<Desc>,
}

impl<S: Source> Registered<S> {
    pub(super) fn new(source: Arc<S>) -> prometheus::Result<Self> {
        let descs = S::families().iter().map(|family| family.desc()).collect::<Result<_, _>>()?;
        Ok(Self { source, descs })
    }
}

impl<S: Source> Collector for Registered<S> {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.source.collect()
    }
}

impl Family {
    pub(super) fn opts(&self) -> prometheus::Opts {
        prometheus::Opts::new(self.name, self.help)
    }

    /// The family with its values.
    pub(super) fn of(&self, metrics: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(metrics);
        family
    }

    /// A counter's or gauge's value under the labels, given in the order in which they are declared.
    pub(super) fn value(&self, labels: &[&str], value: f64) -> Metric {
        let mut metric = Metric::from_label(self.pairs(labels));
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }

    /// A histogram's value under the labels.
    pub(super) fn histogram(&self, labels: &[&str], bounds: &Bounds, reading: &HistogramReading) -> Metric {
        let mut count = 0;
        let buckets = bounds.iter().zip(&reading.buckets).map(|(bound, in_bucket)| {
            count += in_bucket;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound as f64 / 1e9);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(count + reading.above);
        histogram.set_sample_sum(reading.sum_us as f64 / 1e6);
        let mut metric = Metric::from_label(self.pairs(labels));
        metric.set_histogram(histogram);
        metric
    }

    fn desc(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new())
    }

    fn pairs(&self, values: &[&str]) -> Vec<LabelPair> {
        debug_assert_eq!(values.len(), self.labels.len(), "labels of {}", self.name);
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_follow_the_conventions_and_the_docs_know_every_family() {
        let docs = include_str!("../../docs/metrics.md");
        for family in ALL {
            // Two names are as they were promised.
            let promised = ["tollgate_tenant_cache_hits", "tollgate_tenant_cache_misses"];
            let counts = family.name.ends_with("_total") || promised.contains(&family.name);
            assert_eq!(family.kind == MetricType::COUNTER, counts, "{}", family.name);
            assert!(family.desc().is_ok(), "{}", family.name);
            assert!(docs.contains(&format!("`{}`", family.name)), "docs/metrics.md lacks {}", family.name);
            for label in family.labels {
                assert!(docs.contains(&format!("`{label}`")), "docs/metrics.md lacks label {label}");
            }
        }
    }
}
