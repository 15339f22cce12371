"""What clients notice of what an operator does: the largest latency of an open loop within a second of each act, and beside the acts."""

import time
from statistics import median

import sanity
from clocks import Clocks, Spent
from measure import Bench, start
from operator_acts import Acts
from peers import Peer
from process import Failure, come_first, tree_cpu, wait_until
from sample import Sample
from scenario import Scenario
from stalls import Stalls, watched
from tail import CONNECTIONS, WARMUP_S, Stream, half_rate_of, lost, prompt

ACTS = ("reload", "scrape", "rotation", "churn")
FIRST_S, GAP_S = 3.0, 4.0
# The engine says `begin` so long before the window, and tells the largest latency of slices so long.
NOTICE_S, SLICE_S = 0.15, 0.1
BEFORE, AFTER = 1, 11  # slices of an act: what was under way, and a second
REST = 8  # slices after that, of which nothing is said
HOSTS = 4  # the engine bounds what is under way of each, so few of them bound it all


def measure(bench: Bench, peer: Peer, scenario: Scenario, round_: int) -> Sample:
    started = start(bench, peer, scenario)
    acts = None
    try:
        sanity.check(started.port, scenario)
        come_first(started.child.pid)
        # Every tenant has been asked for then: each has its series.
        hosts, each = list(scenario.hosts[:HOSTS]), CONNECTIONS // HOSTS
        rate_per_s = half_rate_of(bench, started, scenario, hosts, each)
        acts = Acts(started)
        with watched(bench) as stalls, prompt(bench), Stream(
            bench, started.port, hosts, rate_per_s, WARMUP_S, scenario.seconds, round_ + 1, each,
        ) as stream:  # fmt: skip
            stream.expect("begin")
            before, load = Clocks(bench, started.child), tree_cpu(stream.process.pid)
            window = time.monotonic() + NOTICE_S
            moments = _disturb(acts, window, started)
            stream.expect("end")
            spent = Spent(before, Clocks(bench, started.child), (tree_cpu(stream.process.pid) - load).total_s)
            report = stream.report()
        told = acts.prove()
        started.child.check_alive()
    finally:
        if acts:
            acts.end()
        started.child.kill()
        for log in started.setup.folder.glob("access.*"):
            log.unlink()
    worst_ms, aside = without(stalls, report["worst_ms"], window)
    figures = figures_of(worst_ms, moments)
    figures |= {"rate_per_s": rate_per_s, "p50_ms": report["p50_ms"], "p999_ms": report["p999_ms"]}
    detail = {**told, "intended": report["intended"], "failed": report["errors"], "moments": moments, "worst_ms": worst_ms, "set_aside": aside}
    return Sample(scenario.name, peer.name, round_, figures, lost(report), detail=detail, **spent.noise())


def _disturb(acts: Acts, window: float, started) -> dict[str, float]:
    """Does all, one after another; returns when each began, in seconds of the window."""
    moments = {}
    for number, act in enumerate(ACTS):
        due = window + FIRST_S + GAP_S * number
        wait_until(lambda at=due: time.monotonic() >= at, FIRST_S + GAP_S + 1, f"the moment of {act}")
        moments[act] = time.monotonic() - window
        getattr(acts, act)()
        started.child.check_alive()
    return moments


def without(stalls: Stalls, worst_ms: list[float], window: float) -> tuple[list[float | None], int]:
    """The slices, but nothing of those in which the machine stood still, or just before; and how many these are."""
    aside = [stalls.within(window + (at - 1) * SLICE_S, window + (at + 1) * SLICE_S) for at in range(len(worst_ms))]
    return [None if stalled else worst for worst, stalled in zip(worst_ms, aside)], sum(aside)


def figures_of(worst_ms: list[float | None], moments: dict[str, float]) -> dict[str, float]:
    """The largest latency of each act, and of stretches as long in which nothing was done: of all of them, and of the middle one."""
    figures, taken = {}, set()
    for act, moment in moments.items():
        first = max(0, int(moment / SLICE_S) - BEFORE)
        last = int(moment / SLICE_S) + AFTER
        told = [worst for worst in worst_ms[first:last] if worst is not None]
        if len(told) < (last - first) / 2:
            raise Failure(f"the machine stood still for most of {act}")
        figures[f"{act}_ms"] = max(told)
        taken |= set(range(first, last + REST))
    length = BEFORE + AFTER
    starts = range(0, len(worst_ms) - length + 1)
    stretches = [worst_ms[at : at + length] for at in starts if not taken & set(range(at, at + length))]
    quiet = [max(worst for worst in stretch if worst is not None) for stretch in stretches if stretch.count(None) <= length / 2]
    return figures | {"quiet_ms": max(quiet, default=0.0), "quiet_median_ms": median(quiet) if quiet else 0.0}
