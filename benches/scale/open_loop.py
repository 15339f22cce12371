"""Open loops: requests at moments drawn before, whatever became of those before them; latency from the intended moment.

`Asking` (Python, up to some 2,000 requests a second) asks each host of a list once or in turn; `Stream` (the Rust load of
the noisy-neighbour benchmark, any rate) asks a few hosts again and again.
"""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

from bench import HERE, Bench
from process import Child, Failure, wait_until

DRAIN_S = 5
LATE_S = 20  # beyond what a load takes by its plan: connecting, and a machine that is slow


class Asking:
    """`client.py` on the load's core."""

    def __init__(
        self, bench: Bench, port: int, hosts: Iterable[str], *, rate: float = 0, seconds: float = 0, cycle: bool = False,
        connections: int = 64, seed: int = 1,
    ):  # fmt: skip
        name = f"client-{time.monotonic_ns()}"
        path = bench.workspace.subfolder(name) / "hosts"
        count = 0
        with path.open("w", encoding="ascii") as out:
            for host in hosts:
                out.write(host + "\n")
                count += 1
        words = ["--port", port, "--hosts", path, "--rate", rate, "--seconds", seconds, "--connections", connections]
        words += ["--seed", seed, "--announce", *(["--cycle"] if cycle else [])]
        command = [*bench.first, sys.executable, "-B", str(HERE / "client.py"), *map(str, words)]
        # The slowest that a closed loop can be and not be stuck: 500 requests a second.
        self._planned_s = seconds or count / (rate or 500)
        self.child: Child = bench.workspace.start(name, command, bench.load_core)
        wait_until(self._has_begun, LATE_S, "the client to begin")

    def stop(self) -> dict:
        if not self.child.has_ended():
            self.child.process.send_signal(signal.SIGTERM)
        return self.report()

    def has_ended(self) -> bool:
        return self.child.has_ended()

    def report(self) -> dict:
        wait_until(self.child.has_ended, self._planned_s + DRAIN_S + LATE_S, "the client to end")
        try:
            return json.loads(self.child.log.read_text().splitlines()[-1])
        except (ValueError, IndexError):
            raise Failure(f"the client gave no report:\n{self.child.log_tail()}") from None

    def _has_begun(self) -> bool:
        if "begin" in self.child.log.read_text():
            return True
        self.child.check_alive()
        return False


def wrong(report: dict) -> int:
    """Requests of a report that were not answered with 200."""
    return report["sent"] - report["statuses"].get("200", 0)


class Stream:
    """The engine's open loop over some hosts, each with an equal part of the rate; whole in a `with`."""

    def __init__(
        self, bench: Bench, port: int, hosts: list[str], rate_per_s: float, warmup_s: float, seconds: float, seed: int, connections: int = 1
    ):  # fmt: skip
        """`connections` of each host are open from the start; more open as they are needed."""
        arrivals = {"rate_per_s": rate_per_s / len(hosts), "poisson": True, "connections": connections}
        plan = {
            "address": f"127.0.0.1:{port}",
            "seed": seed,
            "warmup_ms": round(warmup_s * 1e3),
            "measure_ms": round(seconds * 1e3),
            "drain_ms": DRAIN_S * 1000,
            "groups": [{"name": "others", "hosts": hosts, "path": "/", "arrivals": {"open": arrivals}}],
        }
        # It may have to be built, which takes minutes: only then the clock runs.
        engine = bench.engine()
        self._deadline = time.monotonic() + warmup_s + seconds + DRAIN_S + LATE_S
        command = ["taskset", "-c", str(bench.load_core), *bench.first, str(engine), "load"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            self.process.stdin.write(json.dumps(plan))
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # `expect` will say why it has ended

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_exc) -> None:
        self.process.kill()
        self.process.wait(timeout=5)
        self.process.stdout.close()
        self.process.stderr.close()

    def expect(self, word: str) -> None:
        """Waits until the window begins (`begin`) or has ended (`end`)."""
        line = self._line()
        if line != word:
            raise Failure(f"the load said {line!r}, not {word!r}")

    def has_ended_window(self) -> bool:
        """Whether `end` (or anything else) is there to be read."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def report(self) -> dict:
        return json.loads(self._line())["others"]

    def _line(self) -> str:
        # Lines come one at a time, so none can hide in a buffer that `select` doesn't see.
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, self._deadline - time.monotonic()))
        if not ready:
            raise Failure("the load did not end in time")
        line = self.process.stdout.readline().strip()
        if not line:
            raise Failure(f"the load ended early: {self.process.stderr.read().strip()}")
        return line


def lost(report: dict) -> int:
    """Requests of a stream's window that were not answered with 200."""
    return report["intended"] - report["statuses"].get("200", 0)
