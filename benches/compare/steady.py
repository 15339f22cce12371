"""The closed loop: as many requests as a peer can do, and what each costs it."""

import time

import load as loads
import sanity
from clocks import Clocks, Spent
from measure import Bench, Started, start
from peers import Peer
from process import Failure
from sample import Sample
from scenario import Scenario
from wrk import IN_TURN, Load


def measure(bench: Bench, peer: Peer, scenario: Scenario, round_: int) -> Sample:
    """A fresh process, proved, warmed up, then measured."""
    started = start(bench, peer, scenario)
    try:
        sanity.check(started.port, scenario)
        if scenario.features:
            sanity.check_features(started.setup)
        load, spent = drive(bench, started, scenario, bench.seconds(scenario), round_ + 1)
        started.child.check_alive()
    finally:
        started.child.kill()
        # A log of each request: rounds of it would fill the disk.
        (started.setup.folder / "access.log").unlink(missing_ok=True)
    if load.requests == 0:
        raise Failure(f"{peer.name} completed no request: {load.socket_errors}")
    figures = {
        "cpu_us": spent.proxy.total_s * 1e6 / load.requests,
        "cpu_user_us": spent.proxy.user_s * 1e6 / load.requests,
        "requests_per_s": load.requests_per_s,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "proxy_core_used": spent.proxy.total_s / spent.wall_s,
    }
    detail = {"requests": load.requests, "max_ms": load.max_ms, "status_errors": load.status_errors, "socket_errors": load.socket_errors}
    return Sample(scenario.name, peer.name, round_, figures, load.errors, detail=detail, **spent.noise())


def drive(bench: Bench, started: Started, scenario: Scenario, seconds: int, seed: int) -> tuple[Load, Spent]:
    """Every peer of a round has the same seed, and so the same sequence of tenants; every round another one."""
    # A folder apart: h2load logs each request, and a proxy may watch the one of its certificate.
    folder = bench.workspace.subfolder(f"load-{time.monotonic_ns()}")
    ask = loads.asker(scenario, started.port, bench.connections, bench.load_core, folder)
    if warmup_s := bench.warmup(scenario):
        ask(warmup_s, IN_TURN)
    before = Clocks(bench, started.child)
    load = ask(seconds, seed)
    return load, Spent(before, Clocks(bench, started.child), load.cpu.total_s)
