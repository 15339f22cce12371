"""A Zipf-distributed load over all tenants of the store, beside the same law over a thousand."""

import time
from statistics import median

from api import hit_ratio, lookups
from bench import Bar, Bench, Outcome, say
from closed_loop import Law, Sample, drive
from figures import head, row, spread
from gateway import Gateway
from stores import Stores
from tenants import Population, identity
from zipf import EXPONENT, share_of_top

BAR = 0.90
FEW = 1000
# The cache is warm when its hit ratio has stopped rising, but no later than this.
WARM_S = 90
STEADY = 0.005
CAPACITY = 100_000  # the default


def run(bench: Bench, stores: Stores) -> Outcome:
    arms = {count: Arm(bench, stores, count) for count in (bench.scaled(FEW), bench.tenants)}
    few, many = arms.values()
    try:
        for arm in arms.values():
            arm.warm()
        for round_ in range(bench.rounds):
            # Whoever comes first meets another machine than whoever comes last: take turns.
            for arm in (few, many) if round_ % 2 else (many, few):
                arm.measure(round_)
    finally:
        for arm in arms.values():
            arm.gateway.stop()
    ratios = [more.per_s / less.per_s for more, less in zip(many.samples, few.samples)]
    outcome = Outcome(raw={str(count): [sample.raw() for sample in arm.samples] for count, arm in arms.items()})
    outcome.raw["hits"] = {str(count): arm.hits for count, arm in arms.items()}
    what = f"throughput, Zipf over {many.count:,} tenants over that of {few.count:,}"
    outcome.bars = [Bar(what, median(ratios), BAR, at_least=True)]
    outcome.bars.append(Bar.nothing("failed requests", sum(sample.errors for arm in arms.values() for sample in arm.samples)))
    outcome.lines = head("tenants", "requests/s", "×", "CPU µs / request", "×", "p50 ms", "p99 ms", "hit ratio", "best possible", "proxy core used")
    for arm in (few, many):
        outcome.lines.append(arm.row(few))
    outcome.lines.append("")
    outcome.note(f"Law: s = {EXPONENT:g}. *Best possible*: the share of requests for the {CAPACITY:,} most popular hosts.")
    return outcome


class Arm:
    """A gateway on a store of so many tenants, and what was measured there."""

    def __init__(self, bench: Bench, stores: Stores, count: int):
        self.bench, self.count = bench, count
        self.population = Population(count)
        self.law = Law.zipf(bench.workspace.folder, self.population)
        self.samples: list[Sample] = []
        self.hits: list[float] = []
        store = stores.copy(count, f"zipf-{count}")
        self.gateway = Gateway(bench, f"zipf-{count}", store=store, core=bench.proxy_core).start()
        self.gateway.prove(self.population.host(0), identity(0))

    def warm(self) -> None:
        """Loads it until the cache holds what it is going to hold."""
        deadline, last = time.monotonic() + (4 if self.bench.quick else WARM_S), 0.0
        turn, now = 0, 0.0
        while time.monotonic() < deadline:
            turn += 1
            before = lookups(self.gateway.api)
            drive(self.bench, self.gateway.port, self.gateway.pid, self.law, 2, 1000 + turn)
            now = hit_ratio(self.gateway.api, before)
            if turn >= 3 and now - last < STEADY:
                break
            last = now
        say(f"zipf {self.count:,}: warm after {turn * 2} s, hit ratio {now:.1%}")

    def measure(self, round_: int) -> None:
        before = lookups(self.gateway.api)
        # A second, uncounted, for connections; the seed differs by arm and round, never twice the same draws.
        drive(self.bench, self.gateway.port, self.gateway.pid, self.law, 1, 500 + round_)
        sample = drive(self.bench, self.gateway.port, self.gateway.pid, self.law, self.bench.duration_s, round_ + 1)
        self.samples.append(sample)
        self.hits.append(hit_ratio(self.gateway.api, before))
        say(f"zipf {self.count:9,} round {round_ + 1}: {sample.per_s:8,.0f}/s {sample.cpu_us:.1f} µs, hits {self.hits[-1]:.1%}")

    def row(self, base: "Arm") -> str:
        samples = self.samples
        rates = [own.per_s / other.per_s for own, other in zip(samples, base.samples)]
        costs = [own.cpu_us / other.cpu_us for own, other in zip(samples, base.samples)]
        best = share_of_top(min(CAPACITY, self.population.hosts), self.population.hosts)
        return row(
            f"{self.count:,}", spread([s.per_s for s in samples], 0), f"{median(rates):.2f}",
            spread([s.cpu_us for s in samples]), f"{median(costs):.2f}", spread([s.p50_ms for s in samples], 2),
            spread([s.p99_ms for s in samples], 2), f"{median(self.hits):.1%}", f"{best:.1%}",
            f"{median(s.proxy_core_used for s in samples):.0%}",
        )  # fmt: skip
