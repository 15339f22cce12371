"""What is asked of every peer: the same requests, the same work per request."""

from dataclasses import dataclass

BODY = "x" * 1023 + "\n"
TENANT_COUNT = 1000
MANY_TENANTS = 100_000
RATE_PER_S = 100_000  # never reached: the limiter's work is measured, not its refusals
IN_FLIGHT_MAX = 1000
PLAIN_HOST = "bench.example.test"
TENANT_SUFFIX = "app.example.com"
CONTEXT = "/context"  # where the origin answers with the signed context that it was sent
BASELINES = ("haproxy", "nginx")  # Debian's: the better one of a round is what others are compared with


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    hosts: tuple[str, ...] = (PLAIN_HOST,)
    tenants: tuple[str, ...] = ()  # empty: no tenancy features are on
    load: str = "wrk"  # who asks: see load.py
    tls: bool = False  # one P-256 certificate, tickets on: a peer comes to TLS 1.3, or `sanity` fails
    streams: int = 1  # requests at a time on a connection
    path: str = "/"
    body: str = BODY  # of an answer
    sends: int = 0  # octets of a request's body
    pairs: int = 0  # connections of clients, and as many to the origin, that are to be kept idle
    kind: str = "requests"  # how it is measured: see kinds.py
    rounds: int = 6
    seconds: int = 5  # measured, of each peer in each round
    warmup_s: int = 1
    only: tuple[str, ...] = ()  # the peers that do it; empty: all
    against: str = ""  # the scenario whose baseline it is compared with; by default itself
    own: bool = False  # it is compared with what the same peer does in `against`, not with the baseline
    features: bool = False  # all that a gateway with tenants has is on

    def tenant_of(self) -> list[tuple[str, str]]:
        return list(zip(self.hosts, self.tenants))

    @property
    def yardstick(self) -> str:
        """The scenario with which it is compared, in the same round."""
        return self.against or self.name


def _ids(count: int) -> tuple[str, ...]:
    digits = len(str(count - 1))
    return tuple(f"t{number:0{digits}}" for number in range(count))


def _hosts(tenants: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{tenant}.{TENANT_SUFFIX}" for tenant in tenants)


TENANT_IDS = _ids(TENANT_COUNT)
MANY_IDS = _ids(MANY_TENANTS)
FIRST = ("tollgate", "haproxy", "nginx")  # whom bars are about; the others show where the field is
LARGE = 2**20
GIB = 2**30
_LIMITS = "each with a rate limit, an in-flight cap, an added X-Tenant-Id and a request count"

PLAIN = Scenario("plain", "keep-alive reverse proxying of 1 KiB, no tenancy features")
EVERYTHING = Scenario(
    "everything",
    "two quotas, fair seat, three header rules, access log, signed context, metrics; × is over the baseline's `plain`",
    only=("tollgate",), against="plain", features=True,
)  # fmt: skip
TENANTS = Scenario("tenants", f"{TENANT_COUNT:,} tenants by Host, {_LIMITS}", _hosts(TENANT_IDS), TENANT_IDS)
TENANTS_100K = Scenario(
    "tenants_100k",
    f"{MANY_TENANTS:,} tenants by Host, {_LIMITS}; × is over what the same peer does with {TENANT_COUNT:,}",
    _hosts(MANY_IDS), MANY_IDS, only=FIRST, against="tenants", own=True, warmup_s=4,
)  # fmt: skip
HTTPS = Scenario("https", "the same over TLS 1.3, connections kept alive", load="h2load", tls=True, seconds=4)
H2 = Scenario("h2", "the same over HTTP/2 under TLS 1.3, 32 streams a connection", load="h2load", tls=True, streams=32, seconds=4)
NEW_TLS = Scenario("new_tls", "a new TLS 1.3 connection for each request, a full handshake", load="handshakes", tls=True, seconds=4)
RESUMED_TLS = Scenario(
    "resumed_tls", "a new TLS 1.3 connection for each request, resumed by a ticket", load="handshakes", tls=True, rounds=3, seconds=4
)
DOWN = Scenario("down", "answers of 1 MiB", path="/down", body="x" * LARGE, rounds=4, seconds=4)
UP = Scenario("up", "requests with 1 MiB of body", path="/up", sends=LARGE, rounds=4, seconds=4)
DOWN_1G = Scenario("down_1g", "answers of 1 GiB, one at a time", path="/down-1g", load="transfer", kind="transfers", rounds=4, only=FIRST)
UP_1G = Scenario("up_1g", "requests with 1 GiB of body, one at a time", path="/up-1g", load="transfer", kind="transfers", rounds=4, only=FIRST)
IDLE = Scenario("idle", "resident memory, fresh and with idle keep-alive connections", pairs=5_000, kind="idle", rounds=2)
TAIL = Scenario("tail", "latency where the slowest is busy for half of the time, from the intended moment", kind="tail", rounds=5, seconds=8, only=FIRST)
DISTURBED = Scenario(
    "disturbed",
    "the largest latency within a second of what an operator does, where it is busy for half of the time",
    _hosts(TENANT_IDS), TENANT_IDS, kind="disturbed", rounds=3, seconds=19, only=("tollgate",),
)  # fmt: skip

# What shares a group is measured in the same rounds, so that a ratio can be taken within one.
GROUPS = (
    (PLAIN, EVERYTHING), (TENANTS, TENANTS_100K), (HTTPS,), (H2,), (NEW_TLS,), (RESUMED_TLS,), (DOWN,), (UP,), (DOWN_1G,), (UP_1G,),
    (IDLE,), (TAIL,), (DISTURBED,),
)  # fmt: skip
SCENARIOS = {scenario.name: scenario for group in GROUPS for scenario in group}
