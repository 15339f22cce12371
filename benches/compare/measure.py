"""One measurement: a fresh process of one peer, proved, warmed up, then measured."""

import time
from dataclasses import asdict, dataclass

import load as loads
import sanity
import wrk
from certificate import Certificate
from origin import Origin
from peers import Peer, Setup
from process import Child, Failure, Workspace, core_busy_s, free_port, tree_cpu, wait_until
from scenario import Scenario

READY_S = 30  # some need seconds for a thousand tenants


@dataclass(frozen=True)
class Bench:
    """What stays the same for every measurement of a run."""

    workspace: Workspace
    origin: Origin
    proxy_core: int
    load_core: int
    connections: int
    duration_s: int
    warmup_s: int

    def certificate(self) -> Certificate:
        """The one that all measurements of the run show."""
        return Certificate.of(self.workspace.folder)


@dataclass(frozen=True)
class Sample:
    scenario: str
    peer: str
    round: int
    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    status_errors: int
    socket_errors: dict[str, int]
    cpu_us: float  # user and system time of the proxy's process tree, per request
    cpu_user_us: float
    proxy_core_used: float  # share of the wall clock that the proxy ran: below 1 the load was the limit
    others_on_proxy_core: float  # the same share for what is no part of the measurement: noise
    others_on_load_core: float

    @property
    def errors(self) -> int:
        return self.status_errors + sum(self.socket_errors.values())

    def raw(self) -> dict:
        return asdict(self)


def start(bench: Bench, peer: Peer, scenario: Scenario) -> tuple[Child, int]:
    """Starts `peer` and waits until its first tenant is served; returns it and its port."""
    binary = peer.binary()
    if binary is None:
        raise Failure(f"{peer.name} is not installed")
    folder = bench.workspace.subfolder(f"{peer.name}-{scenario.name}-{time.monotonic_ns()}")
    port = free_port()
    setup = Setup(scenario, folder, port, bench.origin.port, free_port(), bench.certificate() if scenario.tls else None)
    child = bench.workspace.start(folder.name, peer.command(binary, setup), bench.proxy_core, peer.env)

    def serves() -> bool:
        child.check_alive()
        answer = sanity.get(port, scenario.hosts[0], tls=scenario.tls)
        return answer is not None and answer.status == 200

    try:
        wait_until(serves, READY_S, f"{peer.name} to serve {scenario.hosts[0]}")
    except Failure as failure:
        child.kill()
        raise Failure(f"{failure}\n{child.log_tail()}") from failure
    return child, port


def measure(bench: Bench, peer: Peer, scenario: Scenario, round_: int) -> Sample:
    child, port = start(bench, peer, scenario)
    try:
        sanity.check(port, scenario)
        # A folder apart: h2load logs each request, and a proxy may watch the one of its certificate.
        ask = loads.asker(scenario, port, bench.connections, bench.load_core, bench.workspace.subfolder(f"load-{time.monotonic_ns()}"))
        # Every peer of a round sees the same sequence of tenants, every round another one.
        seed = round_ + 1
        if bench.warmup_s:
            ask(bench.warmup_s, seed)
        before = _Clocks(bench, child)
        load = ask(bench.duration_s, seed)
        after = _Clocks(bench, child)
        child.check_alive()
    finally:
        child.kill()
    if load.requests == 0:
        raise Failure(f"{peer.name} completed no request: {load.socket_errors}")
    return _sample(scenario, peer, round_, load, before, after)


class _Clocks:
    """Every clock that a measurement is a difference of, read together."""

    def __init__(self, bench: Bench, child: Child):
        self.proxy = tree_cpu(child.pid)
        self.origin = tree_cpu(bench.origin.child.pid)
        self.proxy_core_s = core_busy_s(bench.proxy_core)
        self.load_core_s = core_busy_s(bench.load_core)
        self.wall_s = time.monotonic()


def _sample(scenario: Scenario, peer: Peer, round_: int, load: wrk.Load, before: _Clocks, after: _Clocks) -> Sample:
    wall_s = after.wall_s - before.wall_s
    proxy = after.proxy - before.proxy
    origin = after.origin - before.origin
    others_on_proxy_core = after.proxy_core_s - before.proxy_core_s - proxy.total_s
    others_on_load_core = after.load_core_s - before.load_core_s - origin.total_s - load.cpu.total_s
    return Sample(
        scenario=scenario.name,
        peer=peer.name,
        round=round_,
        requests=load.requests,
        requests_per_s=load.requests_per_s,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        max_ms=load.max_ms,
        status_errors=load.status_errors,
        socket_errors=load.socket_errors,
        cpu_us=proxy.total_s * 1e6 / load.requests,
        cpu_user_us=proxy.user_s * 1e6 / load.requests,
        proxy_core_used=proxy.total_s / wall_s,
        others_on_proxy_core=max(0.0, others_on_proxy_core / wall_s),
        others_on_load_core=max(0.0, others_on_load_core / wall_s),
    )
