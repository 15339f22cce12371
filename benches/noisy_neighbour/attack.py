"""What is done to every proxy: who asks how often, for what work, and what the origin can do at once."""

from dataclasses import dataclass, field, replace

WORKERS = 64
SUFFIX = "app.example.com"
QUIET = tuple(f"q{number}" for number in range(1, 6))
QUIET_RATE_PER_S = 40.0
CONNECTIONS = 512
# Of a quiet tenant: ten times what it needs when it is answered as if alone.
QUIET_CONNECTIONS = 8
# Origin workers and proxy seats of an attack's uncontended twin: never all in use.
PLENTY = 1024

# What a request asks of the origin: so many milliseconds, or those ±50 %.
CONSTANT, JITTERED, SLOW, SLOW_JITTERED = "/10ms", "/10ms~50", "/100ms", "/100ms~50"


@dataclass(frozen=True)
class Group:
    """Tenants that do the same on `connections` each: flat out (closed loop), or `rate_per_s` each (open loop)."""

    name: str
    tenants: tuple[str, ...]
    path: str
    connections: int
    rate_per_s: float | None = None

    def arrivals(self, poisson: bool) -> dict:
        if self.rate_per_s is None:
            return {"closed": {"connections": self.connections}}
        return {"open": {"rate_per_s": self.rate_per_s, "poisson": poisson, "connections": self.connections}}


@dataclass(frozen=True)
class Attack:
    name: str
    groups: tuple[Group, ...]
    # Whose seats are bounded: a limit of the origin's workers is every proxy's to know.
    seats: int = WORKERS
    weights: dict[str, int] = field(default_factory=dict)
    # Only proxies that use the origin fully without refusing, for whom the question makes sense.
    contenders_only: bool = False
    weighted_only: bool = False
    # Asked without a proxy: what the load itself leaves unused.
    direct_only: bool = False
    # Measured at the rates of this attack, with seats in plenty: what a request costs when nobody waits.
    twin_of: str | None = None
    # Warm-up beyond the usual: with constant times all seats begin in step, and the longer the requests
    # the longer it takes until they are out of it.
    settle_s: float = 0.0

    @property
    def tenants(self) -> tuple[str, ...]:
        return tuple(tenant for group in self.groups for tenant in group.tenants)

    def at_rates_of(self, per_s: dict[str, float]) -> "Attack":
        """The same requests a second on the same connections, group by group, but as an open loop."""
        groups = (replace(group, rate_per_s=per_s[group.name] / len(group.tenants)) for group in self.groups)
        return replace(self, groups=tuple(groups))


def host(tenant: str) -> str:
    return f"{tenant}.{SUFFIX}"


def _quiet(path: str) -> Group:
    return Group("quiet", QUIET, path, QUIET_CONNECTIONS, QUIET_RATE_PER_S)


def _greedy(name: str, path: str = CONSTANT, connections: int = CONNECTIONS) -> Group:
    return Group(name, (name,), path, connections=connections)


def _ten(path: str) -> Group:
    return Group("aggressors", tuple(f"a{number}" for number in range(10)), path, connections=CONNECTIONS)


_THOUSAND = Group("backlogged", tuple(f"t{number:03}" for number in range(1000)), JITTERED, connections=2)

# In the order in which they run: a twin after what it repeats.
ATTACKS = {
    attack.name: attack
    for attack in (
        Attack("ceiling", (_greedy("aggressor", JITTERED, WORKERS),), direct_only=True),
        Attack("alone", (_quiet(CONSTANT),)),
        Attack("attacked", (_quiet(CONSTANT), _greedy("aggressor"))),
        Attack("alone-jittered", (_quiet(JITTERED),)),
        Attack("attacked-jittered", (_quiet(JITTERED), _greedy("aggressor", JITTERED))),
        Attack("aggressor", (_greedy("aggressor"),)),
        Attack("durations", (_greedy("short", CONSTANT, 256), _greedy("long", SLOW, 256))),
        Attack("connections", (_greedy("many", CONSTANT, 448), _greedy("few", CONSTANT, 64))),
        Attack("weights", (_greedy("one", CONSTANT, 256), _greedy("three", CONSTANT, 256)), weights={"three": 3}, weighted_only=True),
        Attack("slow", (_quiet(CONSTANT), _greedy("aggressor", SLOW)), contenders_only=True, settle_s=4),
        Attack("slow-jittered", (_quiet(JITTERED), _greedy("aggressor", SLOW_JITTERED)), contenders_only=True, settle_s=4),
        Attack("ten", (_quiet(CONSTANT), _ten(CONSTANT)), contenders_only=True),
        Attack("ten-jittered", (_quiet(JITTERED), _ten(JITTERED)), contenders_only=True),
        Attack("ten-uncontended", (_quiet(JITTERED), _ten(JITTERED)), seats=PLENTY, contenders_only=True, twin_of="ten-jittered"),
        Attack("thousand", (_THOUSAND,), contenders_only=True),
        Attack("thousand-uncontended", (_THOUSAND,), seats=PLENTY, contenders_only=True, twin_of="thousand"),
    )
}  # fmt: skip
