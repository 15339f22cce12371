"""Envoy, of the PyPI wheel: a virtual host per tenant in an RDS file, one worker; a new tenant by another file."""

import json
from pathlib import Path

from peers.peer import in_venv, on_path
from proxies.proxy import Proxy, Running, Setup
from tenants import RATE_PER_S, domains, identity

_TYPE = "type.googleapis.com/envoy."
_HTTP = _TYPE + "extensions.filters.http."
_SOURCE = "config.route.v3.RouteConfiguration"


class Envoy(Proxy):
    key = name = "envoy"
    title = "Envoy, RDS file"
    version_args = ["--version"]

    def binary(self) -> Path | None:
        return in_venv("lib/python*/site-packages/envoy/_bin/envoy") or on_path("envoy")

    def prepare(self, setup: Setup) -> list[str]:
        # Each as text, so that a new tenant needn't have all others made again.
        self._virtual_hosts = [_virtual_host(number) for number in range(setup.population.count)]
        (setup.folder / "routes.json").write_text(self._routes())
        path = setup.folder / "envoy.json"
        path.write_text(json.dumps(_config(setup)))
        return [str(self.binary()), "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]

    def ready(self, running: Running, number: int) -> None:
        self._virtual_hosts.append(_virtual_host(number))
        self._text = self._routes()

    def add(self, running: Running, number: int) -> None:
        beside = running.setup.folder / "routes.new"
        beside.write_text(self._text)
        beside.replace(running.setup.folder / "routes.json")

    def _routes(self) -> str:
        hosts = ",\n".join(self._virtual_hosts)
        return (
            f'{{"version_info": "{len(self._virtual_hosts)}", "resources": [{{"@type": "{_TYPE}{_SOURCE}", '
            f'"name": "tenants", "virtual_hosts": [\n{hosts}\n]}}]}}'
        )


def _virtual_host(number: int) -> str:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {"max_tokens": RATE_PER_S, "tokens_per_fill": RATE_PER_S, "fill_interval": "1s"}
    tenant = {
        "name": identity(number),
        "domains": domains(number),
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
        "request_headers_to_add": [
            {"header": {"key": "X-Tenant-Id", "value": identity(number)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
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
    return json.dumps(tenant, separators=(",", ":"))


def _config(setup: Setup) -> dict:
    limit = {"@type": _HTTP + "local_ratelimit.v3.LocalRateLimit", "stat_prefix": "rate"}
    manager = {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "codec_type": "HTTP1",
        "rds": {
            "route_config_name": "tenants",
            "config_source": {
                "resource_api_version": "V3",
                "path_config_source": {"path": str(setup.folder / "routes.json")},
            },
        },
        "http_filters": [
            {"name": "rate", "typed_config": limit},
            {"name": "router", "typed_config": {"@type": _HTTP + "router.v3.Router"}},
        ],
    }
    return {
        "node": {"id": "scale", "cluster": "scale"},
        "static_resources": {
            "listeners": [
                {
                    "name": "edge",
                    "address": _address(setup.port),
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "origin",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "load_assignment": {
                        "cluster_name": "origin",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(setup.origin_port)}}]}],
                    },
                }
            ],
        },
    }


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
