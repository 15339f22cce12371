"""The closed loop: wrk, one thread, every connection kept alive, hosts drawn by a law, and the proxy's CPU time meanwhile."""

import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import wrk
import zipf
from bench import Bench
from process import CpuTime, Failure, core_busy_s, tree_cpu
from tenants import SECOND_EVERY, Population, multiplier

CONNECTIONS = 64

# The table is read as it lies in the file: `chance` of each rank's cell, then its alias. A host's name is made from its
# number, with the words of `tenants.py`: a million names would be more work for the collector than for the proxy.
_SCRIPT = """
local ffi = require("ffi")
local random, format = math.random, string.format
local tenants, hosts, factor = {tenants}, {hosts}, {factor}
local bytes, chance, other
local threads = 0
local turn

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  math.randomseed((tonumber(args[1]) or 1) * 1000 + number)
  turn = tonumber(args[1])
  if "{table}" ~= "" then
    local file = assert(io.open("{table}", "rb"))
    bytes = file:read("*a")
    file:close()
    assert(#bytes == 12 * hosts, "a table of another size")
    local start = ffi.cast("const char *", bytes)
    chance = ffi.cast("const double *", start)
    other = ffi.cast("const int32_t *", start + 8 * hosts)
  end
end

function request()
  local rank
  if {in_turn} then
    rank = turn % hosts
    turn = turn + 1
  else
    rank = random(0, hosts - 1)
    if chance and random() >= chance[rank] then rank = other[rank] end
  end
  local index = rank * factor % hosts
  if index < tenants then
    return format("GET / HTTP/1.1\\r\\nHost: t%07d.customers.test\\r\\n\\r\\n", index)
  end
  return format("GET / HTTP/1.1\\r\\nHost: shop-%07d.example.test\\r\\n\\r\\n", (index - tenants) * {second})
end
"""


@dataclass(frozen=True)
class Law:
    """Which hosts are asked for: all of a population by Zipf's law, each as likely, or one after another."""

    population: Population
    script: Path

    @staticmethod
    def zipf(folder: Path, population: Population, exponent: float = zipf.EXPONENT) -> "Law":
        table = folder / f"zipf-{population.count}-{exponent:g}.table"
        if not table.exists():
            zipf.write_table(table, population.hosts, exponent)
        return Law._written(folder, population, str(table), f"zipf-{population.count}")

    @staticmethod
    def uniform(folder: Path, population: Population) -> "Law":
        return Law._written(folder, population, "", f"uniform-{population.count}")

    @staticmethod
    def in_turn(folder: Path, population: Population) -> "Law":
        """The seed of a load is the rank that it begins with."""
        return Law._written(folder, population, "", f"turn-{population.count}", in_turn=True)

    @staticmethod
    def _written(folder: Path, population: Population, table: str, name: str, in_turn: bool = False) -> "Law":
        script = folder / f"{name}.lua"
        text = _SCRIPT.format(
            tenants=population.count, hosts=population.hosts, factor=multiplier(population.hosts), table=table,
            second=SECOND_EVERY, in_turn="true" if in_turn else "false",
        )  # fmt: skip
        script.write_text(text + wrk.DONE)
        return Law(population, script)


@dataclass(frozen=True)
class Sample:
    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float  # of the proxy's process tree, per request
    proxy_core_used: float
    others_on_proxy_core: float  # noise: a share of the core that is no part of the measurement

    def raw(self) -> dict:
        return asdict(self)


def drive(bench: Bench, port: int, pid: int, law: Law, seconds: int, seed: int, connections: int = CONNECTIONS) -> Sample:
    """Loads `port` for whole seconds; `pid` is the proxy's."""
    before, core, began = tree_cpu(pid), core_busy_s(bench.proxy_core), time.monotonic()
    load = wrk.run(port, law.script, connections, seconds, seed, bench.load_core)
    wall_s = time.monotonic() - began
    used_s = (tree_cpu(pid) - before).total_s
    busy_s = core_busy_s(bench.proxy_core) - core
    if load.requests == 0:
        raise Failure(f"no request was completed: {load.socket_errors}")
    return Sample(
        requests=load.requests,
        per_s=load.requests_per_s,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        errors=load.errors,
        cpu_us=used_s * 1e6 / load.requests,
        proxy_core_used=used_s / wall_s,
        others_on_proxy_core=max(0.0, (busy_s - used_s) / wall_s),
    )


class Saturation:
    """A closed loop in the background, for what is to be seen at full load."""

    def __init__(self, bench: Bench, port: int, law: Law, seconds: int, connections: int = CONNECTIONS):
        command = wrk.command(port, law.script, connections, seconds, 1, bench.load_core)
        self.child = bench.workspace.start(f"wrk-{time.monotonic_ns()}", command, None)

    def result(self) -> wrk.Load:
        """Ends it (wrk tells its figures when it is interrupted) and returns what it saw."""
        if not self.child.has_ended():
            subprocess.run(["kill", "-INT", str(self.child.pid)], check=False)
        try:
            self.child.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Failure("wrk does not end") from None
        return wrk.parse(self.child.log.read_text(), "", CpuTime(0, 0))
