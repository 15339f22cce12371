"""Traefik, of the PyPI wheel: a router per tenant, limits by request host."""

import json
from pathlib import Path

from peers.peer import Peer, Setup, in_venv, on_path
from scenario import IN_FLIGHT_MAX, PLAIN_HOST, RATE_PER_S


class Traefik(Peer):
    name = "traefik"
    label = "Traefik"
    version_args = ["version"]
    env = {"GOMAXPROCS": "1"}
    tls = True

    def binary(self) -> Path | None:
        return in_venv("bin/traefik") or on_path("traefik")

    def command(self, binary: Path, setup: Setup) -> list[str]:
        # Traefik takes YAML, of which JSON is a part.
        dynamic = setup.folder / "dynamic.yaml"
        dynamic.write_text(json.dumps(_dynamic(setup)))
        static = setup.folder / "traefik.yaml"
        static.write_text(json.dumps(_static(setup, dynamic)))
        return [str(binary), f"--configfile={static}"]


def _static(setup: Setup, dynamic: Path) -> dict:
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR"},
        "entryPoints": {"edge": {"address": f"127.0.0.1:{setup.port}"}},
        "providers": {"file": {"filename": str(dynamic), "watch": False}},
    }
    if setup.scenario.tenants:
        # A router is a tenant, so a series per router is the per-tenant count.
        static["entryPoints"]["metrics"] = {"address": f"127.0.0.1:{setup.spare_port}"}
        static["metrics"] = {"prometheus": {"entryPoint": "metrics", "addRoutersLabels": True}}
    return static


def _dynamic(setup: Setup) -> dict:
    by_host = {"requestHost": True}
    http = {
        "services": {
            "origin": {
                "loadBalancer": {
                    "servers": [{"url": f"http://127.0.0.1:{setup.origin_port}"}],
                    "serversTransport": "many",
                }
            }
        },
        "serversTransports": {"many": {"maxIdleConnsPerHost": max(256, setup.scenario.pairs)}},
    }
    if not setup.scenario.tenants:
        router: dict = {"rule": f"Host(`{PLAIN_HOST}`)", "entryPoints": ["edge"], "service": "origin"}
        http["routers"] = {"all": router}
        if not setup.certificate:
            return {"http": http}
        router["tls"] = {}
        pair = {"certFile": str(setup.certificate.cert), "keyFile": str(setup.certificate.key)}
        return {"http": http, "tls": {"certificates": [pair]}}
    http["routers"] = {
        tenant: {
            "rule": f"Host(`{host}`)",
            "entryPoints": ["edge"],
            "middlewares": ["rate", "in-flight", f"{tenant}-header"],
            "service": "origin",
        }
        for host, tenant in setup.scenario.tenant_of()
    }
    http["middlewares"] = {
        "rate": {"rateLimit": {"average": RATE_PER_S, "burst": RATE_PER_S, "sourceCriterion": by_host}},
        "in-flight": {"inFlightReq": {"amount": IN_FLIGHT_MAX, "sourceCriterion": by_host}},
    }
    for tenant in setup.scenario.tenants:
        http["middlewares"][f"{tenant}-header"] = {"headers": {"customRequestHeaders": {"X-Tenant-Id": tenant}}}
    return {"http": http}
