"""What others notice: the p99 of an open loop with and without a disturbance, in rounds that are interleaved."""

from contextlib import AbstractContextManager, nullcontext
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

from bench import Bench, say
from closed_loop import Law, drive
from gateway import Gateway
from open_loop import Stream, lost
from tenants import Population

# Of what the proxy can do: enough that a stall shows, too little for a queue of its own.
LOAD = 0.6
STREAMS = 100
WARMUP_S = 1.0


@dataclass(frozen=True)
class Round:
    quiet_p99_ms: float
    disturbed_p99_ms: float
    quiet_p50_ms: float
    disturbed_p50_ms: float
    intended: int
    lost: int

    @property
    def ratio(self) -> float:
        return self.disturbed_p99_ms / self.quiet_p99_ms

    def raw(self) -> dict:
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Others:
    rate_per_s: float
    rounds: list[Round]

    @property
    def ratio(self) -> float:
        return median(round_.ratio for round_ in self.rounds)


def capacity(bench: Bench, gateway: Gateway, population: Population) -> float:
    """Requests a second that it takes from these hosts at full load."""
    law = Law.uniform(bench.workspace.folder, population)
    drive(bench, gateway.port, gateway.pid, law, 1, 1)
    return drive(bench, gateway.port, gateway.pid, law, 2 if bench.quick else 5, 2).per_s


def watch(
    bench: Bench, gateway: Gateway, hosts: list[str], rate_per_s: float, disturb: Callable[[], AbstractContextManager],
    name: str,
) -> Others:  # fmt: skip
    """Each round is two windows, one of them inside what `disturb` returns; who comes first takes turns."""
    rounds = []
    seconds = max(2, bench.duration_s)
    for round_ in range(bench.rounds):
        reports = {}
        for disturbed in (False, True) if round_ % 2 else (True, False):
            # The same arrivals with and without.
            with Stream(bench, gateway.port, hosts, rate_per_s, WARMUP_S, seconds, round_ + 1) as stream:
                with disturb() if disturbed else nullcontext():
                    stream.expect("begin")
                    stream.expect("end")
                reports[disturbed] = stream.report()
        quiet, busy = reports[False], reports[True]
        rounds.append(
            Round(
                quiet["p99_ms"], busy["p99_ms"], quiet["p50_ms"], busy["p50_ms"],
                quiet["intended"] + busy["intended"], lost(quiet) + lost(busy),
            )
        )  # fmt: skip
        last = rounds[-1]
        say(f"{name}, round {round_ + 1}: p99 {last.quiet_p99_ms:.2f} → {last.disturbed_p99_ms:.2f} ms, × {last.ratio:.3f}, lost {last.lost}")
    return Others(rate_per_s, rounds)
