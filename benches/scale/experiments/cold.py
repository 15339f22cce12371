"""What a request waits whose tenant is not in the cache: hosts that were never asked for, at a moderate constant rate."""

from statistics import median

from api import loads
from bench import Bar, Bench, Outcome, say
from figures import head, row, spread
from gateway import Gateway
from open_loop import Asking, wrong
from process import Failure
from stores import Stores, evict
from tenants import Population, identity

BAR_MS = 5
RATE_PER_S = 500
SECONDS = 20
WARM_HOSTS = 200


def run(bench: Bench, stores: Stores) -> Outcome:
    population = Population(bench.tenants)
    store = stores.copy(population.count, "cold")
    gateway = Gateway(bench, "cold", store=store, core=bench.proxy_core).start()
    # No host twice: each round takes the next ones of a permutation.
    seconds = 3 if bench.quick else SECONDS
    each = int(RATE_PER_S * seconds * 1.2)
    if (bench.rounds * 2 + 1) * each > population.count:
        each = population.count // (bench.rounds * 2 + 1)
    taken = 0
    reports: dict[str, list[dict]] = {"warm": [], "cold": [], "evicted": []}

    def fresh() -> list[str]:
        """First domains only: of two of a tenant's, the second would find it in the cache."""
        nonlocal taken
        hosts = [population.host(population.scattered(rank, population.count)) for rank in range(taken, taken + each)]
        taken += each
        return hosts

    try:
        warm = fresh()[:WARM_HOSTS]
        gateway.prove(warm[0], identity(population.scattered(0, population.count)))
        Asking(bench, gateway.port, warm).report()
        for round_ in range(bench.rounds):
            kinds = ["warm", "cold"] if round_ % 2 else ["cold", "warm"]
            for kind in [*kinds, "evicted"]:
                if kind == "evicted":
                    evict(store)
                hosts = warm if kind == "warm" else fresh()
                misses, before = gateway.api.metric("tollgate_tenant_cache_misses"), loads(gateway.api)
                report = Asking(
                    bench, gateway.port, hosts, rate=RATE_PER_S, seconds=seconds, cycle=kind == "warm", seed=round_ + 1
                ).report()
                report["misses"] = gateway.api.metric("tollgate_tenant_cache_misses") - misses
                count, took_s = (now - then for now, then in zip(loads(gateway.api), before))
                report["load_ms"] = took_s * 1e3 / count if count else None
                reports[kind].append(report)
                if kind == "cold" and report["misses"] < 0.99 * report["sent"]:
                    raise Failure(f"{report['sent']} hosts were asked for and only {report['misses']:.0f} were not in the cache")
                say(f"cold, round {round_ + 1}: {kind:8} p50 {report['p50_ms']:.2f} p99 {report['p99_ms']:.2f} max {report['max_ms']:.1f} ms")
    finally:
        gateway.stop()
    outcome = Outcome(raw=reports)
    outcome.lines = head(f"{RATE_PER_S} requests/s, open loop", "requests", "p50 ms", "p90 ms", "p99 ms", "slowest ms", "of that in the store, on average", "not 200")
    names = {"warm": "tenants in the cache", "cold": "tenants never asked for", "evicted": "the same, the store's file out of the page cache"}
    for kind, name in names.items():
        of = reports[kind]
        cells = [spread([report[figure] for report in of], 2) for figure in ("p50_ms", "p90_ms", "p99_ms", "max_ms")]
        looked_up = [report["load_ms"] for report in of if report["load_ms"] is not None and kind != "warm"]
        outcome.lines.append(
            row(name, f"{sum(report['sent'] for report in of):,}", *cells, spread(looked_up, 3), sum(map(wrong, of)))
        )
    outcome.bars = [
        Bar(f"p99 of a request whose tenant is read from the store ({population.count:,} tenants)",
            median(report["p99_ms"] for report in reports["cold"]), BAR_MS, "ms", strict=True),
        Bar.nothing("of them failed", sum(map(wrong, reports["cold"]))),
    ]  # fmt: skip
    return outcome
