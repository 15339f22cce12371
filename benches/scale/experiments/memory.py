"""Resident memory by how many tenants have been asked for: a bound, and what a tenant costs."""

from bench import Bar, Bench, Outcome, need, say
from figures import MIB, head, row, settled
from gateway import Gateway
from open_loop import Asking, wrong
from stores import Stores
from tenants import Population, document, identity, text_bytes

BAR_MIB, BAR_BYTES = 150, 1024
FEW, CAPACITY, MORE = 1_000, 100_000, 300_000


def run(bench: Bench, stores: Stores) -> Outcome:
    population = Population(bench.tenants)
    # In a run of fewer tenants the steps keep their proportions.
    part = min(1.0, population.count / (CAPACITY + MORE))
    few, capacity, more = (max(10, int(count * part)) for count in (FEW, CAPACITY, MORE))
    store = stores.copy(population.count, "memory")
    cache = f"{{ capacity: {capacity}, ttl: 1h }}"
    gateway = Gateway(bench, "memory", store=store, cache=cache, core=bench.proxy_core).start()
    outcome = Outcome()
    outcome.lines = head("tenants asked for, each once", "in the cache", "resident, MiB")
    figures: dict[int, int] = {}
    asked = 0
    try:
        gateway.prove(population.host(population.scattered(0, population.count)), identity(0))
        for upto in (few, capacity, capacity + more):
            hosts = [population.host(population.scattered(rank, population.count)) for rank in range(asked, upto)]
            report = Asking(bench, gateway.port, hosts).report()
            need(wrong(report) == 0, f"{wrong(report)} of {report['sent']} tenants were not served: {report['statuses']} {report['errors']}")
            asked = upto
            figures[upto] = settled(gateway.pid, 2 if bench.quick else 7)
            entries = gateway.api.metric("tollgate_tenant_cache_entries")
            outcome.lines.append(row(f"{upto:,}", f"{entries:,.0f}", f"{figures[upto] / MIB:.1f}"))
            say(f"memory: {upto:,} tenants asked for, {entries:,.0f} in the cache, {figures[upto] / MIB:.1f} MiB")
    finally:
        gateway.stop()
    each = (figures[capacity] - figures[few]) / (capacity - few)
    # The keys that all have (`id`, `plan`, `domains`) are nobody's own.
    texts = sum(text_bytes(document(number)) for number in range(1000)) / 1000 - len("idplandomains")
    outcome.raw = {"resident": {str(count): size for count, size in figures.items()}, "bytes_per_tenant": each}
    outcome.lines.append("")
    outcome.note(f"A tenant in the cache costs {each:,.0f} bytes, all that is kept of it counted: its texts ({texts:,.0f}), its limiter, its series.")
    outcome.bars = [
        Bar(f"resident memory, {capacity:,} tenants in the cache", figures[capacity] / MIB, BAR_MIB, "MiB", 1),
        Bar(f"the same after {more:,} others", figures[capacity + more] / MIB, BAR_MIB, "MiB", 1),
        Bar("a tenant in the cache beyond its own texts, limiter and all", each - texts, BAR_BYTES, "bytes", 0),
    ]
    return outcome
