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
from process import core_busy_s
from tenants import Population

# Of what the proxy can do: enough that a stall shows, too little for a queue of its own.
LOAD = 0.6
STREAMS = 100
WARMUP_S = 1.0
FULL = 0.97


@dataclass(frozen=True)
class Round:
    quiet_p99_ms: float
    disturbed_p99_ms: float
    quiet_p50_ms: float
    disturbed_p50_ms: float
    intended: int
    lost: int
    load_core_used: float  # share of the load's core while nothing was disturbed: near 1 the latency is its own

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


def watch(bench: Bench, gateway: Gateway, disturb: Callable[[], AbstractContextManager], name: str) -> Others:
    """Each round is two windows, one of them inside what `disturb` returns; who comes first takes turns."""
    quiet_ones = Population(STREAMS)
    hosts = [quiet_ones.host(index) for index in range(quiet_ones.count)]
    full = capacity(bench, gateway, quiet_ones)
    rate_per_s = bench.others_per_s or full * LOAD
    used, rounds = 0.0, []
    seconds = max(2, bench.duration_s)
    for round_ in range(bench.rounds):
        reports = {}
        for disturbed in (False, True) if round_ % 2 else (True, False):
            # The same arrivals with and without.
            with Stream(bench, gateway.port, hosts, rate_per_s, WARMUP_S, seconds, round_ + 1) as stream:
                with disturb() if disturbed else nullcontext():
                    stream.expect("begin")
                    busy_s, began = core_busy_s(bench.load_core), time.monotonic()
                    stream.expect("end")
                if not disturbed:
                    used = (core_busy_s(bench.load_core) - busy_s) / (time.monotonic() - began)
                reports[disturbed] = stream.report()
        quiet, busy = reports[False], reports[True]
        rounds.append(
            Round(
                quiet["p99_ms"], busy["p99_ms"], quiet["p50_ms"], busy["p50_ms"],
                quiet["intended"] + busy["intended"], lost(quiet) + lost(busy), used,
            )
        )  # fmt: skip
        last = rounds[-1]
        say(f"{name}, round {round_ + 1}: p99 {last.quiet_p99_ms:.2f} → {last.disturbed_p99_ms:.2f} ms, × {last.ratio:.3f}, lost {last.lost}")
    return Others(rate_per_s, full, rounds)


def note(outcome: Outcome, seen: Others) -> None:
    """How near the load came to its own bounds."""
    used = max(round_.load_core_used for round_ in seen.rounds)
    outcome.note(f"The load's core was used for {used:.0%} while nothing changed{'. **It was full: these latencies are its own**' if used > FULL else ''}.")
