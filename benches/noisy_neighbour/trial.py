"""One measurement: a fresh origin, a fresh proxy, one attack."""

import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import sanity
from attack import PLENTY, WORKERS, Attack, host
from engine import Load, Origin, Window
from process import Child, CpuTime, Failure, Workspace, core_busy_s, free_port, tree_cpu, wait_until
from proxies import Configured, Direct, Setup

READY_S = 30


@dataclass(frozen=True)
class Bench:
    """What stays the same for every measurement of a run."""

    workspace: Workspace
    binary: Path  # of origin and load
    proxy_core: int
    load_core: int
    # Words before the commands of origin and load, and before those of proxies: how they are scheduled.
    first: list[str]
    proxy_first: list[str]


@dataclass(frozen=True)
class Answers:
    """What a group of tenants got."""

    intended: int  # in the window, by an open loop; 0 for a closed one
    good: int  # 2xx
    refused: int  # any other status
    failed: int  # no answer, or a broken one
    per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    statuses: dict[str, int]


@dataclass(frozen=True)
class Trial:
    attack: str
    proxy: str
    round: int
    groups: dict[str, Answers]
    used: float  # of the origin's worker time
    queued: float  # requests waiting in the origin, on average
    seats: dict[str, float]  # of the origin's worker time, by tenant
    served_per_s: float
    cpu_us: float  # the proxy's, per request that the origin served
    proxy_core_used: float
    others_on_proxy_core: float  # share of it that is no part of the measurement: noise
    others_on_load_core: float

    def raw(self) -> dict:
        return asdict(self)


def measure(bench: Bench, proxy: Configured, attack: Attack, window: Window, round_: int) -> Trial:
    workers = PLENTY if attack.twin_of else WORKERS
    origin = Origin(bench.workspace, bench.binary, workers, bench.load_core, bench.first)
    child = None
    try:
        child, port = _start(bench, proxy, attack, origin)
        _prove(port, proxy, attack)
        log = bench.workspace.subfolder("load") / "log"
        with Load(bench.binary, bench.load_core, bench.first, port, attack, window, log) as load:
            load.expect("begin")
            before = _Readings(bench, child, origin, load)
            load.expect("end")
            after = _Readings(bench, child, origin, load)
            report = load.report()
        if child:
            child.check_alive()
        origin.child.check_alive()
    finally:
        if child:
            child.kill()
        origin.child.kill()
    groups = {name: _answers(group, window.measure_s) for name, group in report.items()}
    return _trial(attack, proxy, round_, groups, before, after)


def _start(bench: Bench, proxy: Configured, attack: Attack, origin: Origin) -> tuple[Child | None, int]:
    if isinstance(proxy, Direct):
        return None, origin.port
    port = free_port()
    folder = bench.workspace.subfolder(f"{proxy.key}-{attack.name}-{time.monotonic_ns()}")
    setup = Setup(attack, folder, port, origin.port)
    command = [*bench.proxy_first, *proxy.command(proxy.binary(), setup)]
    child = bench.workspace.start(folder.name, command, bench.proxy_core, proxy.env)

    def serves() -> bool:
        child.check_alive()
        answer = sanity.get(port, host(attack.tenants[0]))
        return answer is not None and answer.status == 200

    try:
        wait_until(serves, READY_S, f"{proxy.key} to serve {attack.tenants[0]}")
    except Failure as failure:
        child.kill()
        tail = child.log_tail()
        raise Failure(str(failure) if tail in str(failure) else f"{failure}\n{tail}") from failure
    return child, port


def _prove(port: int, proxy: Configured, attack: Attack) -> None:
    """The origin has to see each tenant as what it is, or its time could not be told apart."""
    for tenant in (attack.tenants[0], attack.tenants[-1]):
        answer = sanity.get(port, host(tenant))
        seen = answer.headers.get("x-seen-tenant") if answer else None
        if seen != tenant:
            raise Failure(f"{proxy.key}: the origin saw {seen!r} where {tenant!r} asked ({answer})")


class _Readings:
    """Every clock and counter that a measurement is a difference of, read together."""

    def __init__(self, bench: Bench, child: Child | None, origin: Origin, load: Load):
        self.counters = origin.counters()
        self.proxy = tree_cpu(child.pid) if child else CpuTime(0, 0)
        own = resource.getrusage(resource.RUSAGE_SELF)
        self.load_core = tree_cpu(origin.child.pid).total_s + tree_cpu(load.process.pid).total_s
        self.load_core += own.ru_utime + own.ru_stime
        self.proxy_core_s = core_busy_s(bench.proxy_core)
        self.load_core_s = core_busy_s(bench.load_core)
        self.wall_s = time.monotonic()


def _answers(group: dict, seconds: float) -> Answers:
    good = sum(count for status, count in group["statuses"].items() if status.startswith("2"))
    refused = sum(group["statuses"].values()) - good
    failed = sum(group["errors"].values())
    if group["intended"]:
        # What never came is as bad as what broke.
        failed = group["intended"] - good - refused
    return Answers(
        intended=group["intended"],
        good=good,
        refused=refused,
        failed=failed,
        per_s=good / seconds,
        p50_ms=group["p50_ms"],
        p90_ms=group["p90_ms"],
        p99_ms=group["p99_ms"],
        max_ms=group["max_ms"],
        statuses=group["statuses"],
    )


def _trial(attack: Attack, proxy: Configured, round_: int, groups: dict, before: _Readings, after: _Readings) -> Trial:
    old, new = before.counters, after.counters
    wall_ns = new["at_ns"] - old["at_ns"]
    capacity_ns = wall_ns * new["workers"]
    wall_s = after.wall_s - before.wall_s
    proxy_s = (after.proxy - before.proxy).total_s
    nothing = {"requests": 0, "seat_ns": 0}
    seats = {}
    served = 0
    for tenant in attack.tenants:
        now, then = new["tenants"].get(tenant, nothing), old["tenants"].get(tenant, nothing)
        seats[tenant] = (now["seat_ns"] - then["seat_ns"]) / capacity_ns
        served += now["requests"] - then["requests"]
    if served == 0:
        raise Failure(f"{proxy.key}: the origin served nothing")
    return Trial(
        attack=attack.name,
        proxy=proxy.key,
        round=round_,
        groups=groups,
        used=(new["busy_ns"] - old["busy_ns"]) / capacity_ns,
        queued=(new["queued_ns"] - old["queued_ns"]) / wall_ns,
        seats=seats,
        served_per_s=served / (wall_ns / 1e9),
        cpu_us=proxy_s * 1e6 / served,
        proxy_core_used=proxy_s / wall_s,
        others_on_proxy_core=max(0.0, (after.proxy_core_s - before.proxy_core_s - proxy_s) / wall_s),
        others_on_load_core=max(
            0.0, (after.load_core_s - before.load_core_s - (after.load_core - before.load_core)) / wall_s
        ),
    )
