"""The open loop at half load: latency from the moment at which each request was to be sent, whatever became of those before it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sanity
from clocks import Clocks, Spent
from measure import PRIORITY, ROOT, Bench, Started, start
from peers import Peer
from process import tree, tree_cpu
from sample import Sample
from scenario import Scenario
from steady import drive

# The open loop is the scale benchmark's, over the engine of the noisy neighbour's.
sys.path.append(str(ROOT / "benches" / "scale"))

from open_loop import Stream, lost

LOAD = 0.5  # of its core's time, at which a proxy is busy
SLOWEST_OF = ("tollgate", "haproxy")
CAPACITY_S = 2
# What a request costs in an open loop is known by a trial. A closed loop knows nothing of it: there many come at once, which costs a proxy less, and
# the load's core can do twice as many.
TRIAL, TRIAL_S = 0.25, 2  # of what was done in a closed loop; how long
WARMUP_S = 1.0
# Open from the start: after a stall of some milliseconds nobody has to make the proxy's work more by connecting anew.
CONNECTIONS = 256


class Tail:
    """Measures peers at one rate: that at which the slower of Tollgate and HAProxy is busy for half of the time."""

    def __init__(self, bench: Bench, peers: list[Peer]):
        self._bench, self._peers = bench, peers
        self._rate_per_s: float | None = None

    def measure(self, peer: Peer, scenario: Scenario, round_: int) -> Sample:
        bench = self._bench
        if self._rate_per_s is None:
            compared = [one for one in self._peers if one.name in SLOWEST_OF] or [peer]
            self._rate_per_s = min(half_rate(bench, one, scenario) for one in compared)
        started = start(bench, peer, scenario)
        try:
            sanity.check(started.port, scenario)
            hosts, seconds = list(scenario.hosts), bench.seconds(scenario)
            report, spent = ask(bench, started, hosts, self._rate_per_s, seconds, round_ + 1, CONNECTIONS)
            started.child.check_alive()
        finally:
            started.child.kill()
        return sample(scenario, peer, round_, self._rate_per_s, report, spent)


def sample(scenario: Scenario, peer: Peer, round_: int, rate_per_s: float, report: dict, spent: Spent) -> Sample:
    figures = {name: report[name] or 0.0 for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}
    figures |= {"rate_per_s": rate_per_s, "proxy_core_used": spent.proxy.total_s / spent.wall_s}
    detail = {"intended": report["intended"], "statuses": report["statuses"], "failed": report["errors"]}
    return Sample(scenario.name, peer.name, round_, figures, lost(report), detail=detail, **spent.noise())


def ask(
    bench: Bench, started: Started, hosts: list[str], rate_per_s: float, seconds: float, seed: int, connections: int
) -> tuple[dict, Spent]:
    """An open loop, and what it costs the proxy."""
    with prompt(bench), Stream(bench, started.port, hosts, rate_per_s, WARMUP_S, seconds, seed, connections) as stream:
        stream.expect("begin")
        before, load = Clocks(bench, started.child), tree_cpu(stream.process.pid)
        stream.expect("end")
        spent = Spent(before, Clocks(bench, started.child), (tree_cpu(stream.process.pid) - load).total_s)
        return stream.report(), spent


def half_rate(bench: Bench, peer: Peer, scenario: Scenario) -> float:
    started = start(bench, peer, scenario)
    try:
        return half_rate_of(bench, started, scenario, list(scenario.hosts), CONNECTIONS)
    finally:
        started.child.kill()


def half_rate_of(bench: Bench, started: Started, scenario: Scenario, hosts: list[str], connections: int) -> float:
    """Requests a second at which the proxy is busy for half of the time."""
    trial_per_s = TRIAL * closed_loop_per_s(bench, started, scenario)
    _, spent = ask(bench, started, hosts, trial_per_s, TRIAL_S, 0, connections)
    return trial_per_s * LOAD * spent.wall_s / spent.proxy.total_s


def closed_loop_per_s(bench: Bench, started: Started, scenario: Scenario) -> float:
    return drive(bench, started, scenario, CAPACITY_S, 1)[0].requests_per_s


@contextmanager
def prompt(bench: Bench) -> Iterator[None]:
    """The origin is scheduled as the open loop beside it: a time slice is longer than what is measured."""
    pids = [pid for child in bench.origin.children for pid in tree(child.pid)] if bench.realtime else []
    try:
        for pid in pids:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(PRIORITY))
        yield
    finally:
        for pid in pids:
            # One that has died is told below, or by whoever waits for its answers.
            with suppress(ProcessLookupError):
                os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
    for child in bench.origin.children:
        child.check_alive()
