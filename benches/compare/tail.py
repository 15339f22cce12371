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

LOAD = 0.5  # of what the slowest can do
SLOWEST_OF = ("tollgate", "haproxy")
CAPACITY_S = 2
WARMUP_S = 1.0
# Open from the start: after a stall of some milliseconds nobody has to make the proxy's work more by connecting anew.
CONNECTIONS = 256


class Tail:
    """Measures peers at one rate: half of what the slower of Tollgate and HAProxy did at full load."""

    def __init__(self, bench: Bench, peers: list[Peer]):
        self._bench, self._peers = bench, peers
        self._rate_per_s: float | None = None

    def measure(self, peer: Peer, scenario: Scenario, round_: int) -> Sample:
        bench = self._bench
        if self._rate_per_s is None:
            compared = [one for one in self._peers if one.name in SLOWEST_OF] or [peer]
            self._rate_per_s = LOAD * min(capacity(bench, one, scenario) for one in compared)
        started = start(bench, peer, scenario)
        try:
            sanity.check(started.port, scenario)
            with prompt(bench), Stream(
                bench, started.port, list(scenario.hosts), self._rate_per_s, WARMUP_S, bench.seconds(scenario), round_ + 1,
                CONNECTIONS,
            ) as stream:  # fmt: skip
                stream.expect("begin")
                before, load = Clocks(bench, started.child), tree_cpu(stream.process.pid)
                stream.expect("end")
                spent = Spent(before, Clocks(bench, started.child), (tree_cpu(stream.process.pid) - load).total_s)
                report = stream.report()
            started.child.check_alive()
        finally:
            started.child.kill()
        return sample(scenario, peer, round_, self._rate_per_s, report, spent)


def sample(scenario: Scenario, peer: Peer, round_: int, rate_per_s: float, report: dict, spent: Spent) -> Sample:
    figures = {name: report[name] or 0.0 for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}
    figures |= {"rate_per_s": rate_per_s, "proxy_core_used": spent.proxy.total_s / spent.wall_s}
    detail = {"intended": report["intended"], "statuses": report["statuses"], "failed": report["errors"]}
    return Sample(scenario.name, peer.name, round_, figures, lost(report), detail=detail, **spent.noise())


def capacity(bench: Bench, peer: Peer, scenario: Scenario) -> float:
    """Requests a second of a closed loop."""
    started = start(bench, peer, scenario)
    try:
        return closed_loop_per_s(bench, started, scenario)
    finally:
        started.child.kill()


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
