"""Tollgate itself: a pool with as many seats as the origin has workers, and nothing else to tune."""

from pathlib import Path

from attack import SUFFIX
from peers.tollgate import Tollgate
from proxies.proxy import Configured, Setup


class FairTollgate(Configured, Tollgate):
    key = "tollgate"
    title = "**Tollgate**, `limit: 64`"
    file = "tollgate.yaml"
    contender = True
    weighted = True

    def arguments(self, binary: Path, path: Path) -> list[str]:
        return [str(binary), "run", "--config", str(path)]

    def config(self, setup: Setup) -> str:
        attack = setup.attack
        plans, tenants = [], []
        for weight in sorted({1, *attack.weights.values()}):
            concurrency = f"weight: {weight}, max: {max(512, attack.seats)}, queue: 1024, max_wait: 5s"
            plans.append(f"  weight-{weight}: {{ concurrency: {{ {concurrency} }} }}")
        for tenant in attack.tenants:
            tenants.append(f"  - {{ id: {tenant}, plan: weight-{attack.weights.get(tenant, 1)} }}")
        lines = [
            f"listeners: [ {{ bind: 127.0.0.1:{setup.port} }} ]",
            "workers: 1",
            # All clients are one address here.
            "limits: { max_connections_per_client: 20000 }",
            f'tenancy: {{ identify: [ {{ host: "{{tenant}}.{SUFFIX}" }} ] }}',
            "plans:",
            *plans,
            "pools:",
            f"  shared: {{ endpoints: [http://127.0.0.1:{setup.origin_port}], concurrency: {{ limit: {attack.seats} }} }}",
            "default_pool: shared",
            "routes: [ { match: { path_prefix: / } } ]",
            "tenants:",
            *tenants,
        ]
        return "\n".join(lines) + "\n"
