"""A hundred thousand tenants in `tenants_dir`: the start, one changed file, and what others notice of changed files."""

import http.client
import threading
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import others
from bench import Bar, Bench, Outcome, say
from figures import MIB, head, percentile, quantiles, resident, row, spread
from gateway import READY_S, Gateway, until_200
from process import Failure
from stores import Stores
from tenants import Population, first_domain, identity, write_file

TENANTS = 100_000
START_S, EFFECT_MS, RATIO = 3, 100, 1.10
CHANGES = 50
EVERY_S = 0.5
PATIENCE_S = 20


def run(bench: Bench, _stores: Stores) -> Outcome:
    population = Population(bench.scaled(TENANTS))
    folder = bench.workspace.subfolder("directory") / "tenants"
    population.write_files(folder)
    starts = [_start(bench, folder, population) for _ in range(bench.times(10))]
    gateway = Gateway(bench, "directory", tenants_dir=folder, core=bench.proxy_core).start(population.host(0))
    try:
        gateway.prove(population.host(1), identity(1))
        size = resident(gateway.pid)
        # Not those that others ask for.
        numbers = range(others.STREAMS, min(population.count, others.STREAMS + 1000))
        took_ms = [change(gateway, folder, number, f"alone-{number}") * 1e3 for number in numbers[: bench.times(CHANGES)]]
        say(f"directory: a changed file takes effect after {quantiles(took_ms)} ms")
        writers: list[Writer] = []

        def disturb() -> Writer:
            writers.append(Writer(gateway, folder, numbers, len(writers)))
            return writers[-1]

        seen = others.watch(bench, gateway, disturb, "directory")
    finally:
        gateway.stop()
    loaded_ms = [took * 1e3 for writer in writers for took in writer.took_s]
    failures = [writer.failure for writer in writers if writer.failure]
    if failures:
        raise Failure(failures[0])
    ready, served = ([pair[at] for pair in starts] for at in (0, 1))
    outcome = Outcome(raw={"ready_s": ready, "served_s": served, "alone_ms": took_ms, "loaded_ms": loaded_ms})
    outcome.raw["rounds"] = [round_.raw() for round_ in seen.rounds]
    outcome.lines = head(
        "files", "exec → ready, s", "exec → first tenant served, s", "resident, MiB", "one changed file, p50 / p99 / slowest ms",
        f"the same at {seen.rate_per_s:,.0f} requests/s", "others' p99 ms without", "with", "×",
    )  # fmt: skip
    outcome.lines.append(
        row(
            f"{population.count:,}", spread(ready, 2), spread(served, 2), f"{size / MIB:.0f}", quantiles(took_ms, 0),
            quantiles(loaded_ms, 0) if loaded_ms else "–", spread([r.quiet_p99_ms for r in seen.rounds], 2),
            spread([r.disturbed_p99_ms for r in seen.rounds], 2), spread([r.ratio for r in seen.rounds], 3),
        )
    )  # fmt: skip
    outcome.lines.append("")
    others.note(outcome, seen)
    outcome.bars = [
        Bar(f"start with {population.count:,} tenants in `tenants_dir`", median(served), START_S, "s", strict=True),
        Bar("p99 of a changed file, from its writing to an answer that shows it", percentile(took_ms, 99), EFFECT_MS, "ms", 0, strict=True),
        Bar("p99 of others while a file changes every half second, over that without", seen.ratio, RATIO, digits=3, strict=True),
        Bar.nothing("requests of others lost", sum(round_.lost for round_ in seen.rounds)),
    ]
    return outcome


def _start(bench: Bench, folder: Path, population: Population) -> tuple[float, float]:
    """Not pinned, with a worker a core: as an operator starts it."""
    gateway = Gateway(bench, "directory-start", tenants_dir=folder, workers="auto")
    began = time.monotonic()
    gateway.launch()
    try:
        ready = until_200(gateway.admin_port, "127.0.0.1", "/readyz", READY_S, "tollgate to be ready", gateway.child)
        host = population.host(population.count - 1)
        served = until_200(gateway.port, host, "/", READY_S, f"{host} to be served", gateway.child)
    finally:
        gateway.stop()
    say(f"directory: ready after {ready - began:.2f} s, {host} served after {served - began:.2f} s")
    return ready - began, served - began


def change(gateway: Gateway, folder: Path, number: int, mark: str) -> float:
    """Seconds from the writing of a tenant's file to the first answer that carries its mark."""
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:

        def shown() -> str | None:
            connection.request("GET", "/", headers={"Host": first_domain(number)})
            answer = connection.getresponse()
            answer.read()
            return answer.getheader("X-Scale")

        if shown() == mark:
            raise Failure(f"{first_domain(number)} shows {mark} before it was written")
        began = time.monotonic()
        write_file(folder, number, mark)
        while shown() != mark:
            if time.monotonic() - began > PATIENCE_S:
                raise Failure(f"a changed file had no effect in {PATIENCE_S} s")
            time.sleep(0.001)
        return time.monotonic() - began


class Writer:
    """Changes a file every half second and waits for the effect, while it is entered."""

    def __init__(self, gateway: Gateway, folder: Path, numbers: range, turn: int):
        self._gateway, self._folder, self._numbers, self._turn = gateway, folder, numbers, turn
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.took_s: list[float] = []
        self.failure = ""

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._done.set()
        self._thread.join(PATIENCE_S + 5)

    def _run(self) -> None:
        while not self._done.is_set():
            began, count = time.monotonic(), len(self.took_s)
            try:
                number = self._numbers[count % len(self._numbers)]
                self.took_s.append(change(self._gateway, self._folder, number, f"round-{self._turn}-{count}"))
            except (Failure, OSError, http.client.HTTPException) as failure:
                self.failure = str(failure) or repr(failure)
                return
            self._done.wait(max(0.0, began + EVERY_S - time.monotonic()))
