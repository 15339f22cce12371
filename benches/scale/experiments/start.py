"""From exec to ready, and to the first tenant served, with a store of so many tenants."""

import threading
import time
from pathlib import Path
from statistics import median

from bench import Bar, Bench, Outcome
from figures import head, row, spread
from gateway import READY_S, Gateway, until_200
from process import Failure
from stores import Stores, evict
from tenants import Population

BAR_S = 0.15
STARTS = 10


def run(bench: Bench, stores: Stores) -> Outcome:
    outcome = Outcome()
    outcome.lines = head("store", "exec → ready, ms", "exec → first tenant served, ms")
    count = bench.tenants
    store = stores.copy(count, "start")
    worst = 0.0
    for name, evicted in ((f"{count:,} tenants", False), (f"{count:,} tenants, its file out of the page cache", True)):
        ready, served = [], []
        for turn in range(bench.times(STARTS)):
            if evicted:
                evict(store)
            # Another tenant each time: what is asked for first has never been asked for.
            pair = once(bench, store, Population(count).host(Population(count).scattered(turn + 1)))
            ready.append(pair[0] * 1e3)
            served.append(pair[1] * 1e3)
        outcome.lines.append(row(name, spread(ready), spread(served)))
        outcome.raw[name] = {"ready_ms": ready, "served_ms": served}
        if not evicted:
            worst = median(served) / 1e3
            outcome.bars.append(Bar(f"exec → ready, {count:,} tenants in the store", median(ready) / 1e3, BAR_S, "s", 3))
            outcome.bars.append(Bar("exec → first tenant served, the same", worst, BAR_S, "s", 3))
    return outcome


def once(bench: Bench, store: Path, host: str) -> tuple[float, float]:
    """Seconds from exec to `/readyz`, and to the first 200 of a tenant; not pinned, as an operator starts it."""
    gateway = Gateway(bench, "start", store=store, workers="auto")
    moments: dict[str, float] = {}
    began = time.monotonic()
    gateway.launch()
    watch = threading.Thread(target=lambda: moments.update(served=_first(gateway, gateway.port, host, "/")), daemon=True)
    watch.start()
    try:
        ready = until_200(gateway.admin_port, "127.0.0.1", "/readyz", READY_S, "tollgate to be ready", gateway.child)
        watch.join(READY_S)
    finally:
        gateway.stop()
    if "served" not in moments:
        raise Failure(f"{host} was never served")
    return ready - began, moments["served"] - began


def _first(gateway: Gateway, port: int, host: str, path: str) -> float:
    return until_200(port, host, path, READY_S, f"{host} to be served")
