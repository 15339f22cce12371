"""Tollgate, HAProxy, nginx and Envoy with a thousand, ten thousand and a hundred thousand tenants."""

import threading
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import median

import adding
from bench import Bench, Outcome, say
from closed_loop import Law, Sample, drive
from figures import MIB, head, proportional, row, spread
from open_loop import Asking, wrong
from process import Failure
from proxies import Proxy, Running, all_proxies
from stores import Stores
from tenants import Population

SIZES = (1_000, 10_000, 100_000)
OTHERS_PER_S = 1_000
ADDITIONS, BUDGET_S, GAP_S = 10, 20, 0.3


@dataclass(frozen=True)
class Measured:
    start_s: float
    started_bytes: int  # after its start
    used_bytes: int  # after all tenants have been asked for
    sample: Sample
    added_ms: list[float]
    quiet_p99_ms: float
    adding_p99_ms: float
    lost: int  # requests of others that were not answered with 200 while tenants were added

    def raw(self) -> dict:
        return asdict(self)


def run(bench: Bench, stores: Stores) -> Outcome:
    outcome = Outcome()
    proxies = all_proxies(bench, stores)
    absent = [key for key in bench.peers if key not in {proxy.key for proxy in proxies}]
    if absent:
        say(f"peers: not installed, and left out: {', '.join(absent)}")
    versions = {proxy.name: proxy.version(proxy.binary()) for proxy in proxies}
    for size in sorted({bench.scaled(size) for size in (SIZES[:1] if bench.quick else SIZES)}):
        population = Population(size)
        measured: dict[str, list[Measured]] = defaultdict(list)
        failures: dict[str, str] = {}
        for round_ in range(bench.rounds):
            turn = round_ % len(proxies)
            for proxy in proxies[turn:] + proxies[:turn]:
                if proxy.key in failures:
                    continue
                try:
                    measured[proxy.key].append(once(bench, proxy, population, round_))
                except Failure as failure:
                    failures[proxy.key] = str(failure)
                    say(f"peers, {size:,}: {proxy.key} failed: {failure}")
        outcome.raw[str(size)] = {key: [one.raw() for one in of] for key, of in measured.items()}
        outcome.lines += ["", f"#### {size:,} tenants", "", *_table(proxies, measured)]
        outcome.lines += ["", *(f"- **{key} could not be measured**: {why.splitlines()[0]}" for key, why in failures.items())]
    outcome.raw["versions"] = versions
    outcome.lines.append("")
    outcome.note(", ".join(f"{name} {version}" for name, version in versions.items()))
    if absent:
        outcome.note(f"**Not installed, and left out**: {', '.join(absent)} (`benches/compare/install`).")
    outcome.note("Memory is PSS of the whole process tree, after the start and after all tenants have been asked for.")
    return outcome


def once(bench: Bench, proxy: Proxy, population: Population, round_: int) -> Measured:
    running = Running(bench, proxy, population)
    try:
        start_s = running.start()
        running.prove()
        started = proportional(running.pid)
        law = Law.uniform(bench.workspace.folder, population)
        # Every tenant once, so that what a proxy makes at a first request is made.
        hosts = [population.host(index) for index in range(population.hosts)]
        touched = Asking(bench, running.port, hosts).report()
        if wrong(touched):
            raise Failure(f"{wrong(touched)} tenants were not served: {touched['statuses']} {touched['errors']}")
        used = proportional(running.pid)
        drive(bench, running.port, running.pid, law, 1, 100 + round_)
        sample = drive(bench, running.port, running.pid, law, bench.duration_s, round_ + 1)
        quiet, busy, added = _additions(bench, running, hosts[:: max(1, len(hosts) // 1000)])
    finally:
        running.kill()
    one = Measured(
        start_s, started, used, sample, [took * 1e3 for took in added], quiet["p99_ms"], busy["p99_ms"], wrong(busy) + wrong(quiet)
    )
    say(
        f"peers, {population.count:,}, round {round_ + 1}: {proxy.key:15} start {start_s:.2f} s, {used / MIB:.0f} MiB, "
        f"{sample.cpu_us:.1f} µs, one more {median(one.added_ms):.1f} ms, others' p99 {one.quiet_p99_ms:.2f} → {one.adding_p99_ms:.2f} ms"
        + (f"  ERRORS {sample.errors + one.lost}" if sample.errors + one.lost else "")
    )
    return one


def _additions(bench: Bench, running: Running, hosts: list[str]) -> tuple[dict, dict, list[float]]:
    """Others at a constant rate: alone, and while tenants are added."""
    quiet = Asking(bench, running.port, hosts, rate=OTHERS_PER_S, seconds=max(3, bench.duration_s), cycle=True).report()
    load = Asking(bench, running.port, hosts, rate=OTHERS_PER_S, seconds=BUDGET_S * 10, cycle=True)
    added: list[float] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            added.extend(adding.add_some(running, running.population.count, ADDITIONS, BUDGET_S, GAP_S))
        except Exception as failure:  # it is another thread's to tell
            failed.append(failure)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(BUDGET_S * 9)
    busy = load.stop()
    if failed or not added:
        raise Failure(str(failed[0]) if failed else "no tenant could be added")
    return quiet, busy, added


def _table(proxies: list[Proxy], measured: dict[str, list[Measured]]) -> list[str]:
    lines = head(
        "", "start, s", "memory, MiB", "one more tenant, ms", "others' p99, ms", "× meanwhile", "lost", "CPU µs / request", "requests/s",
    )  # fmt: skip
    for proxy in proxies:
        of = measured.get(proxy.key)
        if not of:
            continue
        lost = sum(one.lost + one.sample.errors for one in of)
        lines.append(
            row(
                proxy.title, spread([one.start_s for one in of], 2),
                f"{median(one.started_bytes for one in of) / MIB:.0f} → {median(one.used_bytes for one in of) / MIB:.0f}",
                spread([took for one in of for took in one.added_ms], 1),
                f"{median(one.quiet_p99_ms for one in of):.2f} → {median(one.adding_p99_ms for one in of):.2f}",
                f"{median(one.adding_p99_ms / one.quiet_p99_ms for one in of):.2f}", f"**{lost} ⚠**" if lost else "0",
                spread([one.sample.cpu_us for one in of]), spread([one.sample.per_s for one in of], 0),
            )
        )  # fmt: skip
    return lines
