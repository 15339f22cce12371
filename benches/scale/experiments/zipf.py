"""A Zipf-distributed load over all tenants of the store, beside the same law over a thousand."""

import time
from statistics import median

from api import hit_ratio, lookups
from bench import Bar, Bench, Outcome, say
from closed_loop import Law, Sample, drive
from figures import MIB, head, resident, row, spread
from gateway import Gateway
from process import Failure
from stores import Stores
from tenants import Population, identity
from zipf import EXPONENT, share_of_top

BAR = 0.90
FEW = 1000
CAPACITY = 100_000  # the default
# A cache that can't hold all is warm after so many requests for each place in it: as many as its estimate of popularity
# (TinyLFU) looks back on. That a hit ratio stands still for some seconds says little.
WARM_TIMES = 10
WARM_SLICE_S, WARM_PATIENCE_S = 2, 600


def run(bench: Bench, stores: Stores) -> Outcome:
    # In a run of fewer tenants the cache keeps its proportion.
    capacity = max(10, CAPACITY * min(bench.tenants, 1_000_000) // 1_000_000)
    few = Arm(bench, stores, bench.scaled(FEW), CAPACITY, "default")
    many = Arm(bench, stores, bench.tenants, capacity, "default" if capacity == CAPACITY else f"{capacity:,}")
    whole = Arm(bench, stores, bench.tenants, bench.tenants, f"{bench.tenants:,}")
    arms = [few, many, whole]
    try:
        for arm in arms:
            arm.start()
            arm.warm()
        for round_ in range(bench.rounds):
            # Whoever comes first meets another machine than whoever comes last: take turns.
            for arm in arms if round_ % 2 else arms[::-1]:
                arm.measure(round_)
    finally:
        for arm in arms:
            arm.stop()
    outcome = Outcome(raw={arm.name: [sample.raw() for sample in arm.samples] for arm in arms})
    outcome.raw["hits"] = {arm.name: arm.hits for arm in arms}
    outcome.raw["resident"] = {arm.name: arm.resident for arm in arms}
    outcome.raw["warm"] = {arm.name: arm.warm_requests for arm in arms}
    what = f"throughput, Zipf over {many.count:,} tenants over that of {few.count:,}"
    for arm, how in ((whole, "a cache that has room for all"), (many, f"one for {capacity:,}")):
        ratios = [more.per_s / less.per_s for more, less in zip(arm.samples, few.samples)]
        outcome.bars.append(Bar(f"{what}, {how}", median(ratios), BAR, at_least=True))
    outcome.bars.append(Bar.nothing("failed requests", sum(sample.errors for arm in arms for sample in arm.samples)))
    outcome.lines = head(
        "tenants", "`cache.capacity`", "requests/s", "×", "CPU µs / request", "×", "p50 ms", "p99 ms", "hit ratio", "best possible", "resident, MiB",
        "proxy core used",
    )  # fmt: skip
    for arm in arms:
        outcome.lines.append(arm.row(few))
    outcome.lines.append("")
    outcome.note(f"Law: s = {EXPONENT:g}. *Best possible*: the share of requests for as many of the most popular hosts as the cache has places.")
    outcome.note(f"Loaded before: {', '.join(f'{arm.warm_requests:,} requests ({arm.count:,} tenants, {arm.shown})' for arm in arms)}.")
    outcome.note("A cache as large as the population is what an operator chooses who has the memory: one who hasn't pays for a look-up in every fifth request.")
    return outcome


class Arm:
    """A gateway on a store of so many tenants, and what was measured there."""

    def __init__(self, bench: Bench, stores: Stores, count: int, capacity: int, shown: str):
        self.bench, self.count, self.capacity, self.shown = bench, count, capacity, shown
        self.name = f"{count} in {capacity}"
        self.population = Population(count)
        self.law = Law.zipf(bench.workspace.folder, self.population)
        self.samples: list[Sample] = []
        self.hits: list[float] = []
        self.warm_requests = self.resident = 0
        self._stores = stores
        self.gateway: Gateway | None = None

    def start(self) -> None:
        name = f"zipf-{self.count}-{self.capacity}"
        cache = None if self.capacity == CAPACITY else f"{{ capacity: {self.capacity} }}"
        self.gateway = Gateway(self.bench, name, store=self._stores.copy(self.count, name), cache=cache, core=self.bench.proxy_core).start()
        self.gateway.prove(self.population.host(0), identity(0))

    def stop(self) -> None:
        if self.gateway:
            self.gateway.stop()

    def warm(self) -> None:
        """Loads it until the cache holds what it is going to hold."""
        deadline, ratio = time.monotonic() + WARM_PATIENCE_S, 0.0
        # What all fits in is filled host by host: by chance, the last of them would be waited for for hours.
        fits = self.capacity >= self.count
        law = Law.in_turn(self.bench.workspace.folder, self.population) if fits else self.law
        goal = self.population.hosts if fits else WARM_TIMES * self.capacity
        while self.warm_requests < goal:
            if time.monotonic() > deadline:
                raise Failure(f"{self.warm_requests:,} of {goal:,} requests in {WARM_PATIENCE_S} s: the cache isn't warm")
            before = lookups(self.gateway.api)
            seed = self.warm_requests if fits else 1000 + self.warm_requests
            self.warm_requests += drive(self.bench, self.gateway.port, self.gateway.pid, law, WARM_SLICE_S, seed).requests
            ratio = hit_ratio(self.gateway.api, before)
        say(f"zipf {self.count:,}, capacity {self.shown}: warm after {self.warm_requests:,} requests, hit ratio of the last {ratio:.1%}")

    def measure(self, round_: int) -> None:
        before = lookups(self.gateway.api)
        # A second, uncounted, for connections; the seed differs by arm and round, never twice the same draws.
        drive(self.bench, self.gateway.port, self.gateway.pid, self.law, 1, 500 + round_)
        sample = drive(self.bench, self.gateway.port, self.gateway.pid, self.law, self.bench.duration_s, round_ + 1)
        self.samples.append(sample)
        self.hits.append(hit_ratio(self.gateway.api, before))
        self.resident = resident(self.gateway.pid)
        say(f"zipf {self.count:9,} in {self.capacity:9,} round {round_ + 1}: {sample.per_s:8,.0f}/s {sample.cpu_us:.1f} µs, hits {self.hits[-1]:.1%}")

    def row(self, base: "Arm") -> str:
        samples = self.samples
        rates = [own.per_s / other.per_s for own, other in zip(samples, base.samples)]
        costs = [own.cpu_us / other.cpu_us for own, other in zip(samples, base.samples)]
        best = share_of_top(self.population.hosts if self.capacity >= self.count else self.capacity, self.population.hosts)
        return row(
            f"{self.count:,}", self.shown, spread([s.per_s for s in samples], 0), f"{median(rates):.2f}",
            spread([s.cpu_us for s in samples]), f"{median(costs):.2f}", spread([s.p50_ms for s in samples], 2),
            spread([s.p99_ms for s in samples], 2), f"{median(self.hits):.1%}", f"{best:.1%}",
            f"{self.resident / MIB:,.0f}", f"{median(s.proxy_core_used for s in samples):.0%}",
        )  # fmt: skip
