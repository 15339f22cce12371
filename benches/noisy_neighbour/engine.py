"""The origin and the load: built by cargo, started beside each other on one core, read while they run."""

import http.client
import json
import os
import select
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from attack import Attack, host
from process import Child, Failure, Workspace, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
BUILD = [os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", "--package", "noisy-neighbour"]
DRAIN_MS = 5_000
# Beyond warm-up, window and drain: connecting, and a machine that is slow.
LATE_S = 20


def build() -> Path:
    """Builds the binary where it has changed; returns its path."""
    done = subprocess.run(
        [*BUILD, "--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if done.returncode == 0:
        for line in done.stdout.splitlines():
            message = json.loads(line)
            if message.get("executable") and message["target"]["name"] == "noisy_neighbour":
                return Path(message["executable"])
    raise Failure(f"`{' '.join(BUILD)}` built no binary")


class Origin:
    """So many workers, each one request at a time; what waits is served first come first served."""

    def __init__(self, workspace: Workspace, binary: Path, workers: int, core: int, first: list[str]):
        self.port = free_port()
        name = f"origin-{time.monotonic_ns()}"
        self.child: Child = workspace.start(name, [*first, str(binary), "origin", str(self.port), str(workers)], core)
        wait_until(self._answers, 5, "the origin to answer")

    def counters(self) -> dict:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request("GET", "/counters")
            return json.loads(connection.getresponse().read())

    def _answers(self) -> bool:
        self.child.check_alive()
        try:
            return bool(self.counters())
        except (OSError, http.client.HTTPException):
            return False


@dataclass(frozen=True)
class Window:
    warmup_s: float
    measure_s: float
    seed: int
    poisson: bool

    @property
    def patience_s(self) -> float:
        return self.warmup_s + self.measure_s + DRAIN_MS / 1e3 + LATE_S


class Load:
    """One measurement's load; it tells when its window begins and ends."""

    def __init__(
        self, binary: Path, core: int, first: list[str], port: int, attack: Attack, window: Window, log: Path
    ):
        plan = {
            "address": f"127.0.0.1:{port}",
            "seed": window.seed,
            "warmup_ms": round((window.warmup_s + attack.settle_s) * 1e3),
            "measure_ms": round(window.measure_s * 1e3),
            "drain_ms": DRAIN_MS,
            "groups": [
                {
                    "name": group.name,
                    "hosts": [host(tenant) for tenant in group.tenants],
                    "path": group.path,
                    "arrivals": group.arrivals(window.poisson),
                }
                for group in attack.groups
            ],
        }
        self._deadline = time.monotonic() + window.patience_s + attack.settle_s
        self._log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *first, str(binary), "load"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
            )  # fmt: skip
        try:
            self.process.stdin.write(json.dumps(plan))
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # `expect` will say why it has ended

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_exc) -> None:
        self.process.kill()
        self.process.wait(timeout=5)
        self.process.stdout.close()

    def expect(self, word: str) -> None:
        line = self._line()
        if line != word:
            raise Failure(f"the load said {line!r}, not {word!r}")

    def report(self) -> dict:
        return json.loads(self._line())

    def _line(self) -> str:
        # Lines come one at a time, so none can hide in a buffer that `select` doesn't see.
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, self._deadline - time.monotonic()))
        if not ready:
            raise Failure("the load did not end in time")
        line = self.process.stdout.readline().strip()
        if not line:
            raise Failure(f"the load ended early: {self._log.read_text(errors='replace').strip()}")
        return line
