"""One trial: a fresh proxy, the quiet client alone, then with the attack, then alone again."""

import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import endings
import stage
from case import HOST, QUIET_HOST, Case
from certificate import Certificate
from process import Child, Failure, Workspace, tree, tree_cpu, wait_until

HERE = Path(__file__).resolve().parent
WARMUP_S = 1.0
SETTLE_S = 0.3  # a look at the proxy's CPU time after the attack
SETTLED_MAX_S = 15.0  # by then it must be what it was before
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Bench:
    workspace: Workspace
    origins: stage.Origins
    certificate: Certificate
    proxy_core: int
    load_core: int
    seconds: float
    rate: float
    ahead: list[str]  # what the quiet client's command begins with: a priority


@dataclass(frozen=True)
class Sample:
    case: str
    proxy: str
    round: int
    p99_alone_ms: float
    p99_ms: float
    p50_alone_ms: float
    p50_ms: float
    by_protocol: dict[str, float]  # the ratio of the p99, of each protocol alone
    requests: int  # of the quiet client, during the attack
    lost: int
    lost_alone: int
    cpu_alone: float  # shares of the proxy's core
    cpu: float
    rss_idle_mib: float
    rss_grown_mib: float  # at the most during the attack, above what it was before
    attack_mib_s: float
    connections: int
    connections_s: float
    endings: dict[str, dict]
    answered: dict[str, int]
    died: str  # what the proxy said last, if it did not survive
    settled_s: float  # from the attack's end to when the proxy had as little to do as before

    @property
    def ratio(self) -> float:
        return self.p99_ms / self.p99_alone_ms

    def raw(self) -> dict:
        return asdict(self)


def measure(bench: Bench, proxy: stage.Proxy, case: Case, round_: int) -> Sample:
    name = f"{proxy.name}-{case.name}-{round_}"
    child, ports = stage.start(bench.workspace, proxy, bench.origins, bench.certificate, bench.proxy_core, name)
    started = [child]
    try:
        out = bench.workspace.folder / f"{name}.json"
        quiet = _python(bench, started, f"{name}-quiet", "quiet.py", bench.ahead, {
            "port": ports.tls, "host": QUIET_HOST, "rate": bench.rate, "body": len(stage.BODY), "seed": round_ + 1, "out": out,
        })  # fmt: skip
        _going([quiet])
        time.sleep(WARMUP_S)
        before = _Phase(child, bench.seconds)

        idle = resident_kib(child)
        forget_peak(child)
        attackers = [
            _python(bench, started, f"{name}-attack-{number}", "attacker.py", ["chrt", "-i", "0"], {
                "": case.name, "port": ports.of(case.layer), "host": HOST, "number": number, "of": case.processes,
            })  # fmt: skip
            for number in range(case.processes)
        ]
        _going(attackers)
        during = _Phase(child, max(bench.seconds, case.at_least_s))
        peak = peak_kib(child)
        told = [_report(attacker) for attacker in attackers]
        died = child.log_tail(5) if child.has_ended() else ""
        settled_s = _settle(child, before.cpu)
        after = _Phase(child, bench.seconds)

        os.kill(quiet.pid, signal.SIGTERM)
        wait_until(quiet.has_ended, PATIENCE_S, "the quiet client to end")
        found = json.loads(out.read_text())
    finally:
        for one in reversed(started):
            one.kill()
    return _sample(case, proxy, round_, found, (before, during, after), (idle, peak), told, died, settled_s)


def _settle(proxy: Child, cpu_before: float) -> float:
    """Waits until the proxy is done with what the attack has left it, and tells how long that took."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < SETTLED_MAX_S:
        if _Phase(proxy, SETTLE_S).cpu <= cpu_before * 1.3 + 0.03:
            break
    return passed


class _Phase:
    """A stretch of time, and the proxy's CPU time in it."""

    def __init__(self, proxy: Child, seconds: float):
        self.began, cpu = time.monotonic(), tree_cpu(proxy.pid).total_s
        time.sleep(seconds)
        self.ended = time.monotonic()
        self.cpu = (tree_cpu(proxy.pid).total_s - cpu) / (self.ended - self.began)

    def of(self, found: list) -> list:
        return [one for one in found if self.began <= one[0] < self.ended]


def _python(bench: Bench, started: list[Child], name: str, script: str, ahead: list[str], options: dict) -> Child:
    words = [word for key, value in options.items() for word in ([f"--{key}", str(value)] if key else [str(value)])]
    child = bench.workspace.start(name, [*ahead, sys.executable, "-B", str(HERE / script), *words], bench.load_core)
    started.append(child)
    return child


def _going(children: list[Child]) -> None:
    for child in children:

        def says(child=child):
            child.check_alive()
            return "going" in child.log.read_text()

        wait_until(says, PATIENCE_S, f"{child.name} to begin")


def _report(attacker: Child) -> dict:
    attacker.check_alive()
    os.kill(attacker.pid, signal.SIGTERM)
    wait_until(attacker.has_ended, PATIENCE_S, f"{attacker.name} to end")
    last = attacker.log.read_text().splitlines()[-1]
    if not last.startswith("{"):
        raise Failure(f"{attacker.name} told nothing:\n{attacker.log_tail()}")
    return json.loads(last)


def _sample(case, proxy, round_, found, phases, memory, told, died, settled_s) -> Sample:
    before, during, after = phases
    idle, peak = memory
    # Before and after together, so that a machine that drifts does not pass for an attack that works.
    alone, attacked = before.of(found) + after.of(found), during.of(found)
    answered = sum((Counter(one["answered"]) for one in told), Counter())
    took_s = max(one["took_s"] for one in told)
    begun = sum(one["begun"] for one in told)
    return Sample(
        case=case.name,
        proxy=proxy.name,
        round=round_,
        p99_alone_ms=percentile(alone, 99),
        p99_ms=percentile(attacked, 99),
        p50_alone_ms=percentile(alone, 50),
        p50_ms=percentile(attacked, 50),
        by_protocol={
            protocol: percentile([one for one in attacked if one[3] == protocol], 99)
            / percentile([one for one in alone if one[3] == protocol], 99)
            for protocol in ("h1", "h2")
        },
        requests=len(attacked),
        lost=sum(not one[2] for one in attacked),
        lost_alone=sum(not one[2] for one in alone),
        cpu_alone=(before.cpu + after.cpu) / 2 if not died else before.cpu,
        cpu=during.cpu,
        rss_idle_mib=idle / 1024,
        rss_grown_mib=max(0.0, (peak - idle) / 1024),
        attack_mib_s=sum(one["octets"] for one in told) / took_s / 2**20,
        connections=begun,
        connections_s=begun / took_s,
        endings=endings.merged([one["endings"] for one in told]),
        answered=dict(answered.most_common(8)),
        died=died,
        settled_s=settled_s,
    )


def percentile(found: list, percent: int) -> float:
    """In ms, by nearest rank; what was lost took as long as it was waited for."""
    if not found:
        return float("inf")
    latencies = sorted(one[1] for one in found)
    rank = -(-len(latencies) * percent // 100)
    return latencies[max(0, rank - 1)] * 1e3


def resident_kib(child: Child) -> int:
    return sum(_status(pid, "VmRSS") for pid in tree(child.pid))


def peak_kib(child: Child) -> int:
    """The most that each of the processes had since `forget_peak`."""
    return sum(_status(pid, "VmHWM") for pid in tree(child.pid))


def forget_peak(child: Child) -> None:
    for pid in tree(child.pid):
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, key: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0
