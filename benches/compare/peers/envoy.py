"""Envoy, of the PyPI wheel: a virtual host per tenant, one worker."""

import json
from pathlib import Path

from peers.peer import Peer, Setup, in_venv, on_path
from scenario import RATE_PER_S

_TYPE = "type.googleapis.com/envoy."
MOST = 100_000
_HTTP = _TYPE + "extensions.filters.http."


class Envoy(Peer):
    name = "envoy"
    label = "Envoy"
    version_args = ["--version"]
    tls = True
    differs = {"tenants": "in-flight cap per cluster, not per tenant"}

    def binary(self) -> Path | None:
        return in_venv("lib/python*/site-packages/envoy/_bin/envoy") or on_path("envoy")

    def command(self, binary: Path, setup: Setup) -> list[str]:
        path = setup.folder / "envoy.json"
        path.write_text(json.dumps(_config(setup)))
        return [str(binary), "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]


def _config(setup: Setup) -> dict:
    filters = [{"name": "router", "typed_config": {"@type": _HTTP + "router.v3.Router"}}]
    if setup.scenario.tenants:
        virtual_hosts = [_tenant(host, tenant) for host, tenant in setup.scenario.tenant_of()]
        limit = {"@type": _HTTP + "local_ratelimit.v3.LocalRateLimit", "stat_prefix": "rate"}
        filters.insert(0, {"name": "rate", "typed_config": limit})
    else:
        virtual_hosts = [{"name": "all", "domains": ["*"], "routes": [_route("all")]}]
    manager = {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "codec_type": "AUTO" if setup.certificate else "HTTP1",
        "route_config": {"name": "all", "virtual_hosts": virtual_hosts},
        "http_filters": filters,
    }
    chain: dict = {"filters": [{"name": "http", "typed_config": manager}]}
    if setup.certificate:
        chain["transport_socket"] = _tls(setup)
    return {
        "static_resources": {
            "listeners": [
                {"name": "edge", "address": _address(setup.port), "filter_chains": [chain], "tcp_backlog_size": 4096}
            ],
            "clusters": [
                {
                    "name": "origin",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    # The default, 1,024 of each, is less than some scenarios ask for.
                    "circuit_breakers": {"thresholds": [{"max_connections": MOST, "max_pending_requests": MOST, "max_requests": MOST}]},
                    "load_assignment": {
                        "cluster_name": "origin",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(setup.origin_port)}}]}],
                    },
                }
            ],
        }
    }


def _tls(setup: Setup) -> dict:
    pair = {"certificate_chain": {"filename": str(setup.certificate.cert)}, "private_key": {"filename": str(setup.certificate.key)}}
    common = {
        "tls_certificates": [pair],
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
    }
    context = {"@type": _TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common}
    return {"name": "tls", "typed_config": context}


def _tenant(host: str, tenant: str) -> dict:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {"max_tokens": RATE_PER_S, "tokens_per_fill": RATE_PER_S, "fill_interval": "1s"}
    return {
        "name": tenant,
        "domains": [host],
        # A route's stat_prefix is what makes Envoy count its requests apart: the per-tenant count.
        "routes": [_route(tenant)],
        "request_headers_to_add": [
            {"header": {"key": "X-Tenant-Id", "value": tenant}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
        "typed_per_filter_config": {
            "rate": {
                "@type": _HTTP + "local_ratelimit.v3.LocalRateLimit",
                "stat_prefix": "rate",
                "token_bucket": bucket,
                "filter_enabled": always,
                "filter_enforced": always,
            }
        },
    }


def _route(stat_prefix: str) -> dict:
    return {"match": {"prefix": "/"}, "stat_prefix": stat_prefix, "route": {"cluster": "origin"}}


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
