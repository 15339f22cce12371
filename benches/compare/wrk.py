"""The load: wrk, closed loop, one thread, every connection kept alive, its figures as JSON."""

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from process import CpuTime, Failure
from scenario import Scenario

# wrk's own text rounds to three digits; its `done` hook has the figures whole.
DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,'
    .. '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect, e.read, e.write, e.timeout, e.status))
end
"""

IN_TURN = 0  # a seed that is none: every tenant in turn, so that a warm-up leaves out nobody

# Built once: at run time a request costs the client one table look-up, whatever the number of tenants.
_HOSTS = """
local requests, random, count, turn = {{}}, math.random, 0, nil
init = function(args)
  local seed = tonumber(args[1]) or 1
  if seed == {in_turn} then turn = 0 else math.randomseed(seed) end
  for host in io.lines("{hosts}") do
    count = count + 1
    requests[count] = wrk.format("GET", "/", {{ ["Host"] = host }})
  end
end
request = function()
  if not turn then return requests[random(count)] end
  turn = turn % count + 1
  return requests[turn]
end
"""


@dataclass(frozen=True)
class Load:
    requests: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    status_errors: int  # answers above 399
    socket_errors: dict[str, int]
    cpu: CpuTime  # of wrk itself

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.duration_s

    @property
    def errors(self) -> int:
        return self.status_errors + sum(self.socket_errors.values())


def script(folder: Path, scenario: Scenario) -> Path:
    if len(scenario.hosts) == 1:
        text = f'wrk.headers["Host"] = "{scenario.hosts[0]}"\nwrk.path = "{scenario.path}"\n'
        if scenario.sends:
            text += f'wrk.method, wrk.body = "POST", string.rep("x", {scenario.sends})\n'
    else:
        hosts = folder / f"hosts-{scenario.name}"
        hosts.write_text("".join(f"{host}\n" for host in scenario.hosts))
        text = _HOSTS.format(in_turn=IN_TURN, hosts=hosts)
    path = folder / f"wrk-{scenario.name}.lua"
    path.write_text(text + DONE)
    return path


def command(port: int, script_path: Path, connections: int, duration_s: int, seed: int, core: int) -> list[str]:
    if shutil.which("wrk") is None:
        raise Failure("the load needs wrk: run benches/compare/install")
    return [
        "taskset", "-c", str(core),
        "wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "--latency",
        "-s", str(script_path), f"http://127.0.0.1:{port}/", "--", str(seed),
    ]  # fmt: skip


def run(port: int, script_path: Path, connections: int, duration_s: int, seed: int, core: int) -> Load:
    """Drives `port` for `duration_s` whole seconds; its own deadline is 15 s later."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command(port, script_path, connections, duration_s, seed, core),
            capture_output=True, text=True, timeout=duration_s + 15, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failure(f"wrk had not ended 15 s after its {duration_s} s") from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = CpuTime(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
    return parse(done.stdout, done.stderr, cpu)


def parse(stdout: str, stderr: str, cpu: CpuTime) -> Load:
    lines = [line for line in stdout.splitlines() if line.startswith("RESULT ")]
    if len(lines) != 1:
        raise Failure(f"wrk gave no result:\n{stdout}{stderr}")
    raw = json.loads(lines[0].removeprefix("RESULT "))
    return Load(
        requests=raw["requests"],
        duration_s=raw["duration_us"] / 1e6,
        p50_ms=raw["p50_us"] / 1e3,
        p99_ms=raw["p99_us"] / 1e3,
        max_ms=raw["max_us"] / 1e3,
        status_errors=raw["status"],
        socket_errors={kind: raw[kind] for kind in ("connect", "read", "write", "timeout")},
        cpu=cpu,
    )
