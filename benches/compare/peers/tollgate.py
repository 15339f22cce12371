"""Tollgate itself, by its public configuration surface."""

from pathlib import Path

from peers import everything
from peers.peer import Peer, Setup
from scenario import IN_FLIGHT_MAX, PLAIN_HOST, RATE_PER_S, TENANT_SUFFIX

TOKEN = "for-this-run"  # of the admin API, where a scenario uses it


class Tollgate(Peer):
    name = "tollgate"
    label = "Tollgate"
    version_args = ["--version"]
    tls = True

    def __init__(self, binary: Path):
        self._binary = binary

    def binary(self) -> Path | None:
        return self._binary if self._binary.is_file() else None

    def command(self, binary: Path, setup: Setup) -> list[str]:
        path = setup.folder / "tollgate.yaml"
        path.write_text(everything.config(setup) if setup.scenario.features else config(setup))
        return [str(binary), "run", "--config", str(path)]


def config(setup: Setup, rate_per_s: int = RATE_PER_S) -> str:
    """The scenario as a configuration; `rate_per_s` can differ so that a reload has something to change."""
    if setup.scenario.tenants:
        identify = f'[ {{ host: "{{tenant}}.{TENANT_SUFFIX}" }}, domain ]'
        plan = (
            f"{{ rate_limit: {{ rate: {rate_per_s}/s, burst: {rate_per_s} }}, "
            f"concurrency: {{ max: {IN_FLIGHT_MAX} }} }}"
        )
        tenants = [f"  - {{ id: {tenant}, plan: std }}" for tenant in setup.scenario.tenants]
    else:
        identify = "[ domain ]"
        plan = "{}"
        tenants = [f"  - {{ id: bench, plan: std, domains: [{PLAIN_HOST}] }}"]
    tls = ""
    if setup.certificate:
        pair = f"{{ cert: {setup.certificate.cert}, key: {setup.certificate.key} }}"
        tls = f", tls: {{ certificates: [{pair}] }}"
    kept, limits = "", []
    if setup.scenario.kind != "requests":
        # Thousands of connections may come from one address here; peers have no such bound by default.
        limits = ["limits: { max_connections_per_client: 100000 }"]
    if setup.scenario.pairs:
        # All requests come at once, and wait for each other.
        kept = f", max_idle: {setup.scenario.pairs}, timeouts: {{ response_header: 120s, keep_alive: 600s }}"
    token, operated = "", []
    if setup.scenario.kind == "disturbed":
        token = f", token: {TOKEN}"
        operated = [f"store: sqlite:{setup.folder}/tollgate.db", f"access_log: {{ path: {setup.folder}/access.log }}"]
    lines = [
        f"listeners: [ {{ bind: 127.0.0.1:{setup.port}{tls} }} ]",
        f"admin: {{ bind: 127.0.0.1:{setup.spare_port}{token} }}",
        *operated,
        "workers: 1",
        f"tenancy: {{ identify: {identify} }}",
        f"plans: {{ std: {plan} }}",
        f"pools: {{ shared: {{ endpoints: [http://127.0.0.1:{setup.origin_port}]{kept} }} }}",
        "default_pool: shared",
        *limits,
        "routes: [ { match: { path_prefix: / } } ]",
        "tenants:",
        *tenants,
    ]
    return "\n".join(lines) + "\n"
