"""How long a new tenant takes to be served, behind any proxy of the comparison."""

import time
from dataclasses import dataclass, field

from bench import say
from figures import percentile
from process import Failure
from proxies import Proxy, Running
from tenants import first_domain


@dataclass
class Additions:
    proxy: Proxy
    took_s: list[float] = field(default_factory=list)
    # Whether a tenant that was added is still known after a restart.
    survives: bool | None = None

    @property
    def p50_ms(self) -> float:
        return percentile(self.took_s, 50) * 1e3

    @property
    def p99_ms(self) -> float:
        return percentile(self.took_s, 99) * 1e3


def add_some(running: Running, first: int, count: int, budget_s: float, gap_s: float = 0.0) -> list[float]:
    """Adds tenants `first` and on, one after another, until `count` are there or the time is up; one at the least."""
    took, deadline = [], time.monotonic() + budget_s
    for number in range(first, first + count):
        took.append(running.add(number))
        if time.monotonic() > deadline:
            break
        if gap_s:
            time.sleep(gap_s)
    return took


def survives_restart(running: Running, number: int) -> bool:
    running.restart()
    return running.serves(first_domain(number))


def measure(running: Running, count: int, budget_s: float) -> Additions:
    """On a proxy with nothing else to do; restarts it at the end."""
    first = running.population.count
    additions = Additions(running.proxy)
    additions.took_s = add_some(running, first, count, budget_s)
    try:
        additions.survives = survives_restart(running, first + len(additions.took_s) - 1)
    except Failure as failure:
        say(f"{running.proxy.key}: {failure}")
        additions.survives = False
    return additions
