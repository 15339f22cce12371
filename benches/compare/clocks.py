"""Every clock that a measurement is a difference of, read together."""

import time
from dataclasses import dataclass

from process import Child, CpuTime, core_busy_s, tree_cpu


class Clocks:
    def __init__(self, bench, child: Child):
        self.proxy = tree_cpu(child.pid)
        self.origin = bench.origin.cpu()
        self.proxy_core_s = core_busy_s(bench.proxy_core)
        self.load_core_s = core_busy_s(bench.load_core)
        self.wall_s = time.monotonic()


@dataclass(frozen=True)
class Spent:
    """Between two readings; `load_s` is the CPU time of the load, which has its own clock."""

    before: Clocks
    after: Clocks
    load_s: float

    @property
    def wall_s(self) -> float:
        return self.after.wall_s - self.before.wall_s

    @property
    def proxy(self) -> CpuTime:
        return self.after.proxy - self.before.proxy

    def noise(self) -> dict[str, float]:
        """As `Sample` has it."""
        origin_s = (self.after.origin - self.before.origin).total_s
        on_proxy_core = self.after.proxy_core_s - self.before.proxy_core_s - self.proxy.total_s
        on_load_core = self.after.load_core_s - self.before.load_core_s - origin_s - self.load_s
        return {
            "others_on_proxy_core": max(0.0, on_proxy_core / self.wall_s),
            "others_on_load_core": max(0.0, on_load_core / self.wall_s),
        }
