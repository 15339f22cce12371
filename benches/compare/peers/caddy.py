"""Caddy, of the PyPI wheel: hosts and the header only, for stock Caddy has no limits."""

import json
from pathlib import Path

from peers.peer import Peer, Setup, in_venv, on_path
from scenario import PLAIN_HOST


class Caddy(Peer):
    name = "caddy"
    label = "Caddy"
    version_args = ["version"]
    env = {"GOMAXPROCS": "1"}
    tls = True
    differs = {"tenants": "no rate limit, in-flight cap or per-tenant count (stock Caddy has none)"}

    def binary(self) -> Path | None:
        return in_venv("bin/caddy") or on_path("caddy")

    def command(self, binary: Path, setup: Setup) -> list[str]:
        path = setup.folder / "caddy.json"
        path.write_text(json.dumps(_config(setup)))
        # Caddy saves its configuration and certificates under HOME unless told otherwise.
        home = f"HOME={setup.folder}"
        return ["env", home, f"XDG_DATA_HOME={setup.folder}", f"XDG_CONFIG_HOME={setup.folder}",
                str(binary), "run", "--config", str(path)]  # fmt: skip


def _config(setup: Setup) -> dict:
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{setup.origin_port}"}],
        "transport": {"protocol": "http", "keep_alive": {"enabled": True, "max_idle_conns_per_host": max(256, setup.scenario.pairs)}},
    }
    hosts = [PLAIN_HOST]
    if setup.scenario.tenants:
        hosts = list(setup.scenario.hosts)
        # Labels count from the right: t000.app.example.com → 3 is t000.
        proxy["headers"] = {"request": {"set": {"X-Tenant-Id": ["{http.request.host.labels.3}"]}}}
    server = {
        "listen": [f"127.0.0.1:{setup.port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [
            {"match": [{"host": hosts}], "handle": [proxy], "terminal": True},
            {"handle": [{"handler": "static_response", "status_code": 404}]},
        ],
    }
    apps: dict = {"http": {"servers": {"edge": server}}}
    if setup.certificate:
        server.update(protocols=["h1", "h2"], tls_connection_policies=[{}])
        pair = {"certificate": str(setup.certificate.cert), "key": str(setup.certificate.key)}
        apps["tls"] = {"certificates": {"load_files": [pair]}}
    return {
        "admin": {"disabled": True},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "apps": apps,
    }
