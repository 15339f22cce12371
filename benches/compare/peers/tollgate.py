"""Tollgate itself, by its public configuration surface."""

from pathlib import Path

from peers.peer import Peer, Setup
from scenario import IN_FLIGHT_MAX, PLAIN_HOST, RATE_PER_S, TENANT_SUFFIX


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
        path.write_text(config(setup))
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
    lines = [
        f"listeners: [ {{ bind: 127.0.0.1:{setup.port}{tls} }} ]",
        f"admin: {{ bind: 127.0.0.1:{setup.spare_port} }}",
        "workers: 1",
        f"tenancy: {{ identify: {identify} }}",
        f"plans: {{ std: {plan} }}",
        f"pools: {{ shared: {{ endpoints: [http://127.0.0.1:{setup.origin_port}] }} }}",
        "default_pool: shared",
        "routes: [ { match: { path_prefix: / } } ]",
        "tenants:",
        *tenants,
    ]
    return "\n".join(lines) + "\n"
