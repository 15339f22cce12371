"""The load under TLS: h2load, one thread, closed loop, over HTTP/1.1 or HTTP/2."""

import re
import resource
import shutil
import subprocess
import time
from pathlib import Path

from process import CpuTime, Failure
from sanity import SUITE
from scenario import BODY, Scenario
from wrk import Load

FIRST = 2_000  # requests, to know how many make a second


class Asker:
    """h2load takes a number of requests, not a time (its `-D` does not end reliably): the number follows from the run before."""

    def __init__(self, scenario: Scenario, port: int, connections: int, core: int, folder: Path):
        if shutil.which("h2load") is None:
            raise Failure("the load needs h2load: run benches/compare/install")
        self._scenario, self._port, self._core, self._folder = scenario, port, core, folder
        # As many requests at a time as elsewhere.
        self._connections = max(1, connections // scenario.streams)
        self._per_s: float | None = None

    def __call__(self, duration_s: int, _seed: int) -> Load:
        if self._per_s is None:
            self._per_s = self._run(FIRST, 60).requests_per_s
        load = self._run(max(FIRST, int(self._per_s * duration_s)), duration_s * 5 + 30)
        self._per_s = load.requests_per_s
        return load

    def command(self, requests: int, log: Path) -> list[str]:
        scenario = self._scenario
        protocol = "h2" if scenario.streams > 1 else "http/1.1"
        return [
            "taskset", "-c", str(self._core),
            "h2load", "-t1", f"-n{requests}", f"-c{self._connections}", f"-m{scenario.streams}", f"--npn-list={protocol}",
            f"--tls13-ciphers={SUITE}", f"--connect-to=127.0.0.1:{self._port}", f"--log-file={log}", f"https://{scenario.hosts[0]}/",
        ]  # fmt: skip

    def _run(self, requests: int, patience_s: float) -> Load:
        log = self._folder / f"h2load-{self._port}-{time.monotonic_ns()}"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(
                self.command(requests, log), capture_output=True, text=True, timeout=patience_s, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise Failure(f"h2load had not ended after {patience_s:g} s") from error
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = CpuTime(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return parse(done.stdout, done.stderr, lines, cpu)


def parse(stdout: str, stderr: str, log: list[str], cpu: CpuTime) -> Load:
    """h2load's summary, and its log for the latencies: begun µs, status, µs taken, by tabs."""
    took = re.search(r"^finished in ([\d.]+)(us|ms|s),", stdout, re.M)
    counts = re.search(r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", stdout, re.M)
    data = re.search(r"\((\d+)\) data$", stdout, re.M)
    if not took or not counts or not data:
        raise Failure(f"h2load gave no result:\n{stdout}{stderr}")
    total, done, succeeded, _failed, errored, timeout = map(int, counts.groups())
    if int(data.group(1)) != succeeded * len(BODY):
        raise Failure(f"{succeeded} answers came to {data.group(1)} octets of body, not {succeeded * len(BODY)}")
    latencies = sorted(int(line.split("\t")[2]) for line in log)
    if not latencies:
        raise Failure(f"h2load logged no request:\n{stdout}{stderr}")
    return Load(
        requests=done,
        duration_s=float(took.group(1)) * {"us": 1e-6, "ms": 1e-3, "s": 1}[took.group(2)],
        p50_ms=latencies[len(latencies) // 2] / 1e3,
        p99_ms=latencies[len(latencies) * 99 // 100] / 1e3,
        max_ms=latencies[-1] / 1e3,
        status_errors=done - succeeded,
        socket_errors={"errored": errored, "timeout": timeout, "missing": total - done},
        cpu=cpu,
    )
