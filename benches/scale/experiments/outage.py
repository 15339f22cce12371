"""The store's file is lost under load and comes back: what tenants in the cache notice, and when others work again."""

import time

from bench import Bar, Bench, Outcome, say
from breakage import KINDS, Breakage
from figures import head, row
from gateway import Gateway
from open_loop import Asking, wrong
from stores import Stores
from tenants import Population, identity

TENANTS = 100_000
CACHED, CACHED_PER_S, COLD_PER_S = 1_000, 1_000, 50
BEFORE_S, BROKEN_S, AFTER_S = 4, 15, 10
# Short, so that what is in the cache is older than it long before the store is back.
CACHE = "{ capacity: 100000, ttl: 2s, negative_ttl: 1s, stale_while_revalidate: 10m }"
RECOVERY_S = 5
GIVEN_UP_S = 60
PROBE_S = 0.1


def run(bench: Bench, stores: Stores) -> Outcome:
    outcome = Outcome()
    outcome.lines = head(
        "the store's file", "of tenants in the cache", "failed", "of others while it was lost", "failed", "of them with",
        "the first new one after its return, s", "of others after that", "failed", "after a restart", "failed", "served stale, in all",
    )  # fmt: skip
    for kind in KINDS:
        seen = _one(bench, stores, kind)
        outcome.raw[kind.name] = seen
        cached, cold, later, restarted = (seen[part] for part in ("cached", "cold", "later", "restarted"))
        statuses = ", ".join(f"{count} × {status}" for status, count in cold["statuses"].items() if status != "200")
        outcome.lines.append(
            row(
                kind.title, f"{cached['sent']:,}", wrong(cached), cold["sent"], wrong(cold), statuses or "–",
                f"{seen['recovered_s']:.2f}", later["sent"], wrong(later), restarted["sent"], wrong(restarted), f"{seen['stale']:,.0f}",
            )
        )  # fmt: skip
        outcome.bars.append(Bar.nothing(f"requests of tenants in the cache that failed, store {kind.title}", wrong(cached)))
        # Nobody can know it then; a client would take a 404 for the truth.
        unknown = cold["statuses"].get("404", 0)
        outcome.bars.append(Bar.nothing(f"tenants called unknown while the store was lost, store {kind.title}", unknown))
        outcome.bars.append(Bar(f"until others work again, store {kind.title}", seen["recovered_s"], RECOVERY_S, "s", 1))
        outcome.bars.append(Bar.nothing(f"requests of others that failed after that, store {kind.title}", wrong(later)))
        outcome.bars.append(Bar.nothing(f"requests that failed after that and a restart, store {kind.title}", wrong(restarted)))
        say(f"outage, {kind.name}: cached {wrong(cached)} of {cached['sent']} failed, cold {wrong(cold)} of {cold['sent']}, back after {seen['recovered_s']:.2f} s")
    outcome.lines.append("")
    outcome.note(f"`ttl` is 2 s and the store is lost for {3 if bench.quick else BROKEN_S} s, so what is served meanwhile is stale, but for what SQLite still has in its own cache.")
    return outcome


def _one(bench: Bench, stores: Stores, kind: type[Breakage]) -> dict:
    population = Population(bench.scaled(TENANTS))
    store = stores.copy(population.count, f"outage-{kind.name}")
    gateway = Gateway(bench, f"outage-{kind.name}", store=store, cache=CACHE, core=bench.proxy_core).start()
    breakage, broken = kind(store), False
    broken_s = 3 if bench.quick else BROKEN_S
    cached_count = min(CACHED, population.count // 10)
    cached_hosts = [population.host(index) for index in range(cached_count)]
    # Nobody has ever asked for these; from the far end, in an order of their own.
    fresh = iter(population.count - 1 - population.scattered(rank, population.count - cached_count) for rank in range(population.count))
    try:
        gateway.prove(cached_hosts[0], identity(0))
        Asking(bench, gateway.port, cached_hosts).report()
        cached = Asking(bench, gateway.port, cached_hosts, rate=CACHED_PER_S, seconds=600, cycle=True)
        _until(time.monotonic() + BEFORE_S)
        breakage.break_()
        broken = True
        cold = _cold(bench, gateway, population, fresh, broken_s, 1)
        breakage.mend()
        broken = False
        mended = time.monotonic()
        recovered_s = _recovery(gateway, population, fresh, mended)
        later = _cold(bench, gateway, population, fresh, 3 if bench.quick else AFTER_S, 2)
        report = cached.stop()
        gateway.child.check_alive()
        stale = gateway.api.metric("tollgate_tenant_cache_stale")
        # Nothing of what the gateway did meanwhile may have spoiled the file.
        gateway.stop()
        gateway.start()
        asked = [population.host(population.scattered(rank)) for rank in range(0, population.hosts, max(1, population.hosts // 500))]
        restarted = Asking(bench, gateway.port, asked).report()
    finally:
        if broken:
            breakage.mend()
        gateway.stop()
    return {"cached": report, "cold": cold, "later": later, "recovered_s": recovered_s, "stale": stale, "restarted": restarted}


def _cold(bench: Bench, gateway: Gateway, population: Population, fresh, seconds: float, seed: int) -> dict:
    hosts = [population.host(next(fresh)) for _ in range(int(COLD_PER_S * seconds * 1.5))]
    return Asking(bench, gateway.port, hosts, rate=COLD_PER_S, seconds=seconds, connections=8, seed=seed).report()


def _recovery(gateway: Gateway, population: Population, fresh, since: float) -> float:
    """Seconds until a tenant that was never asked for is served; `GIVEN_UP_S` if none is until then."""
    while True:
        if gateway.serves(population.host(next(fresh))):
            return time.monotonic() - since
        if time.monotonic() - since > GIVEN_UP_S:
            return GIVEN_UP_S
        _until(time.monotonic() + PROBE_S)


def _until(moment: float) -> None:
    """Lets the load run: what is done to the store has a rhythm of its own."""
    time.sleep(max(0.0, moment - time.monotonic()))
