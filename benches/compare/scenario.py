"""What is asked of every peer: the same requests, the same work per request."""

from dataclasses import dataclass

BODY = "x" * 1023 + "\n"
TENANT_COUNT = 1000
RATE_PER_S = 100_000  # never reached: the limiter's work is measured, not its refusals
IN_FLIGHT_MAX = 1000
PLAIN_HOST = "bench.example.test"
TENANT_SUFFIX = "app.example.com"


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    hosts: tuple[str, ...]
    tenants: tuple[str, ...]  # empty: no tenancy features are on

    def tenant_of(self) -> list[tuple[str, str]]:
        return list(zip(self.hosts, self.tenants))


TENANT_IDS = tuple(f"t{number:03}" for number in range(TENANT_COUNT))

PLAIN = Scenario(
    "plain",
    "keep-alive reverse proxying of 1 KiB, no tenancy features",
    (PLAIN_HOST,),
    (),
)
TENANTS = Scenario(
    "tenants",
    f"{TENANT_COUNT:,} tenants by Host, each with a rate limit, an in-flight cap, an added X-Tenant-Id and a request count",
    tuple(f"{tenant}.{TENANT_SUFFIX}" for tenant in TENANT_IDS),
    TENANT_IDS,
)
SCENARIOS = {scenario.name: scenario for scenario in (PLAIN, TENANTS)}
