"""Envoy, of the PyPI wheel: a circuit breaker, adaptive concurrency, and a cluster per tenant with a queue."""

import json
from pathlib import Path

from attack import host
from peers.envoy import Envoy
from proxies.proxy import Configured, Setup

_TYPE = "type.googleapis.com/envoy."
_HTTP = _TYPE + "extensions.filters.http."
_NO_BOUND = 100_000


class EnvoyVariant(Configured, Envoy):
    file = "envoy.json"
    filters: list[dict] = []

    def arguments(self, binary: Path, path: Path) -> list[str]:
        return [str(binary), "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]

    def config(self, setup: Setup) -> str:
        manager = {
            "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "edge",
            "codec_type": "HTTP1",
            "route_config": {"name": "all", "virtual_hosts": self.virtual_hosts(setup)},
            "http_filters": [*self.filters, {"name": "router", "typed_config": {"@type": _HTTP + "router.v3.Router"}}],
        }
        listener = {
            "name": "edge",
            "address": _address(setup.port),
            "tcp_backlog_size": 8192,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }
        return json.dumps({"static_resources": {"listeners": [listener], "clusters": self.clusters(setup)}})

    def virtual_hosts(self, setup: Setup) -> list[dict]:
        return [_virtual_host("all", "*", "origin")]

    def clusters(self, setup: Setup) -> list[dict]:
        return [_cluster("origin", setup, {})]


class BreakerEnvoy(EnvoyVariant):
    key = "envoy-breaker"
    title = "Envoy, circuit breaker 64"

    def clusters(self, setup: Setup) -> list[dict]:
        return [_cluster("origin", setup, {"max_requests": setup.attack.seats})]


class AdaptiveEnvoy(EnvoyVariant):
    key = "envoy-adaptive"
    title = "Envoy, adaptive concurrency"
    # The values of Envoy's documentation.
    filters = [
        {
            "name": "adaptive",
            "typed_config": {
                "@type": _HTTP + "adaptive_concurrency.v3.AdaptiveConcurrency",
                "gradient_controller_config": {
                    "sample_aggregate_percentile": {"value": 90},
                    "concurrency_limit_params": {"concurrency_update_interval": "0.1s"},
                    "min_rtt_calc_params": {"jitter": {"value": 10}, "interval": "60s", "request_count": 50},
                },
                "enabled": {"default_value": True, "runtime_key": "adaptive_concurrency.enabled"},
            },
        }
    ]


class PartitionedEnvoy(EnvoyVariant):
    key = "envoy-partitioned"
    title = "Envoy, 10 connections a tenant, queued"

    def virtual_hosts(self, setup: Setup) -> list[dict]:
        return [_virtual_host(tenant, host(tenant), tenant) for tenant in setup.attack.tenants]

    def clusters(self, setup: Setup) -> list[dict]:
        return [_cluster(tenant, setup, {"max_connections": 10}) for tenant in setup.attack.tenants]


def _virtual_host(name: str, domain: str, cluster: str) -> dict:
    # The origin takes the tenant from Host.
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}
    return {"name": name, "domains": [domain], "routes": [route]}


def _cluster(name: str, setup: Setup, thresholds: dict) -> dict:
    unbounded = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), _NO_BOUND)
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **unbounded, **thresholds}]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(setup.origin_port)}}]}],
        },
    }


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
