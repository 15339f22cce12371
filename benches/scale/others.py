"""What others notice: the p99 of an open loop with and without a disturbance, in rounds that are interleaved."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from statistics import median

from bench import Bench, Outcome, say
from closed_loop import Law, drive
from gateway import Gateway
from open_loop import Stream, lost
from process import Failure, core_busy_s, tree_cpu
from tenants import Population

# Of what the proxy can do: enough that a stall shows, too little for a queue of its own.
LOAD = 0.6
STREAMS = 100
WARMUP_S = 1.0
FULL = 0.97
# How much of its core load and origin, or the proxy, may use for a rate to be one that they sustain; and what is aimed at.
# What makes the changes needs the load's core too, at a lower priority.
MOST, AIM = 0.75, 0.65
# The first rate that is tried, how much higher the next may be, and how many are.
FIRST_PER_S, STEP, STEPS = 1_000, 4.0, 8
TRIAL_WARMUP_S, TRIAL_S = 0.5, 1.5


@dataclass(frozen=True)
class Round:
    quiet_p99_ms: float
    disturbed_p99_ms: float
    quiet_p50_ms: float
    disturbed_p50_ms: float
    intended: int
    lost: int
    # Shares of the load's core: near 1 the latency is its own.
    load_core_used: float
    load_core_used_disturbed: float

    @property
    def ratio(self) -> float:
        return self.disturbed_p99_ms / self.quiet_p99_ms

    def raw(self) -> dict:
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Others:
    rate_per_s: float
    capacity_per_s: float
    rounds: list[Round]

    @property
    def ratio(self) -> float:
        return median(round_.ratio for round_ in self.rounds)


def capacity(bench: Bench, gateway: Gateway, population: Population) -> float:
    """Requests a second that it takes from these hosts at full load."""
    law = Law.uniform(bench.workspace.folder, population)
    drive(bench, gateway.port, gateway.pid, law, 1, 1)
    return drive(bench, gateway.port, gateway.pid, law, 2 if bench.quick else 5, 2).per_s


def sustained(goal_per_s: float, used: Callable[[float], float]) -> float:
    """The rate, at most `goal_per_s`, at which `used` tells a share of a core that leaves room.

    It is approached from below: an open loop that can't keep up doesn't slow down, it opens connection after connection.
    """
    rate, held = min(goal_per_s, FIRST_PER_S), None
    for _ in range(STEPS):
        share = used(rate)
        if share <= MOST:
            held = max(rate, held or 0)
            if rate >= goal_per_s or share >= AIM * 0.9:
                return rate
        rate = min(goal_per_s, rate * min(STEP, AIM / max(share, 0.01)))
    if held is None:
        raise Failure(f"load, origin and proxy sustain no rate, not even {rate:,.0f} requests a second")
    return held


def try_rate(bench: Bench, gateway: Gateway, hosts: list[str], rate_per_s: float) -> float:
    """The larger of the shares that load and origin have of their core, and the proxy of its own; 1 where requests are lost."""
    with Stream(bench, gateway.port, hosts, rate_per_s, TRIAL_WARMUP_S, TRIAL_S, 0) as stream:
        stream.expect("begin")
        pids = {"load": [stream.process.pid, bench.origin.child.pid], "proxy": [gateway.pid]}
        before = {who: _cpu_s(of) for who, of in pids.items()}
        began = time.monotonic()
        stream.expect("end")
        wall_s = time.monotonic() - began
        shares = {who: (_cpu_s(of) - before[who]) / wall_s for who, of in pids.items()}
        missing = lost(stream.report())
    say(f"{rate_per_s:,.0f} requests/s: load and origin {shares['load']:.0%} of a core, proxy {shares['proxy']:.0%}, lost {missing}")
    return max([*shares.values(), *([1.0] if missing else [])])


def _cpu_s(pids: list[int]) -> float:
    return sum(tree_cpu(pid).total_s for pid in pids)


def watch(bench: Bench, gateway: Gateway, disturb: Callable[[], AbstractContextManager], name: str) -> Others:
    """Each round is two windows, one of them inside what `disturb` returns; who comes first takes turns."""
    bench.engine()
    quiet_ones = Population(STREAMS)
    hosts = [quiet_ones.host(index) for index in range(quiet_ones.count)]
    full = capacity(bench, gateway, quiet_ones)
    rate_per_s = bench.others_per_s or sustained(full * LOAD, lambda rate: try_rate(bench, gateway, hosts, rate))
    rounds = []
    seconds = max(2, bench.duration_s)
    for round_ in range(bench.rounds):
        reports, used = {}, {}
        for disturbed in (False, True) if round_ % 2 else (True, False):
            # The same arrivals with and without.
            with Stream(bench, gateway.port, hosts, rate_per_s, WARMUP_S, seconds, round_ + 1) as stream:
                with disturb() if disturbed else nullcontext():
                    stream.expect("begin")
                    busy_s, began = core_busy_s(bench.load_core), time.monotonic()
                    stream.expect("end")
                    used[disturbed] = (core_busy_s(bench.load_core) - busy_s) / (time.monotonic() - began)
                reports[disturbed] = stream.report()
        quiet, busy = reports[False], reports[True]
        rounds.append(
            Round(
                quiet["p99_ms"], busy["p99_ms"], quiet["p50_ms"], busy["p50_ms"],
                quiet["intended"] + busy["intended"], lost(quiet) + lost(busy), used[False], used[True],
            )
        )  # fmt: skip
        last = rounds[-1]
        say(f"{name}, round {round_ + 1}: p99 {last.quiet_p99_ms:.2f} → {last.disturbed_p99_ms:.2f} ms, × {last.ratio:.3f}, lost {last.lost}")
    return Others(rate_per_s, full, rounds)


def note(outcome: Outcome, seen: Others) -> None:
    """How fast the load was, and how near it came to its own bounds."""
    quiet = max(round_.load_core_used for round_ in seen.rounds)
    disturbed = max(round_.load_core_used_disturbed for round_ in seen.rounds)
    full = ". **It was full: these latencies are its own**" if max(quiet, disturbed) > FULL else ""
    outcome.note(
        f"The open loop has {seen.rate_per_s:,.0f} requests a second, {seen.rate_per_s / seen.capacity_per_s:.0%} of the {seen.capacity_per_s:,.0f} of a closed one. "
        f"The load's core was used for {quiet:.0%} while nothing changed, for {disturbed:.0%} meanwhile{full}."
    )
