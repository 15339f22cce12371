"""When the machine itself stood still: known by a process on each core that comes before all others, and was late all the same (canary.py)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measure import Bench

ENDED_S = 5


@dataclass
class Stalls:
    """Known once the canaries have ended; none where real-time priorities are not permitted."""

    late: list[tuple[float, float]] = field(default_factory=list)  # by the clock, and by how many milliseconds

    def within(self, begin: float, end: float) -> bool:
        """Whether there was one that began or ended then."""
        return any(begin <= at and at - ms / 1e3 <= end for at, ms in self.late)


@contextmanager
def watched(bench: Bench) -> Iterator[Stalls]:
    stalls = Stalls()
    script = str(Path(__file__).with_name("canary.py"))
    cores = {bench.proxy_core, bench.load_core} if bench.realtime else set()
    running = [subprocess.Popen([sys.executable, "-B", script, str(core)], stdout=subprocess.PIPE, text=True) for core in cores]
    try:
        yield stalls
    finally:
        for one in running:
            one.terminate()
            stalls.late += map(tuple, json.loads(one.communicate(timeout=ENDED_S)[0] or "[]"))
