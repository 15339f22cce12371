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
    load: str = "wrk"  # who asks: see load.py
    tls: bool = False  # one P-256 certificate, tickets on: a peer comes to TLS 1.3, or `sanity` fails
    streams: int = 1  # requests at a time on a connection
    path: str = "/"
    body: str = BODY  # of an answer
    sends: int = 0  # octets of a request's body

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
HTTPS = Scenario("https", "the same over TLS 1.3, connections kept alive", (PLAIN_HOST,), (), "h2load", tls=True)
H2 = Scenario("h2", "the same over HTTP/2 under TLS 1.3, 32 streams a connection", (PLAIN_HOST,), (), "h2load", tls=True, streams=32)
NEW_TLS = Scenario("new_tls", "a new TLS 1.3 connection for each request, a full handshake", (PLAIN_HOST,), (), "handshakes", tls=True)
RESUMED_TLS = Scenario("resumed_tls", "a new TLS 1.3 connection for each request, resumed by a ticket", (PLAIN_HOST,), (), "handshakes", tls=True)
LARGE = 2**20
DOWN = Scenario("down", "answers of 1 MiB", (PLAIN_HOST,), (), path="/down", body="x" * LARGE)
UP = Scenario("up", "requests with 1 MiB of body", (PLAIN_HOST,), (), path="/up", sends=LARGE)
SCENARIOS = {scenario.name: scenario for scenario in (PLAIN, TENANTS, HTTPS, H2, NEW_TLS, RESUMED_TLS, DOWN, UP)}
