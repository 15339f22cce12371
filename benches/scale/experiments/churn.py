"""Ten thousand changes a minute under load: what the others' slowest requests notice."""

import others
from bench import Bar, Bench, Outcome, need
from changes import Changes
from figures import head, row, spread
from gateway import Gateway
from stores import Stores
from tenants import Population, identity

PER_MINUTE = 10_000
BAR = 1.10
CHANGING = 10_000


def run(bench: Bench, stores: Stores) -> Outcome:
    population = Population(bench.tenants)
    gateway = Gateway(bench, "churn", store=stores.copy(population.count, "churn"), core=bench.proxy_core).start()
    # Those under load are not those that change.
    changing = range(others.STREAMS, min(population.count, others.STREAMS + CHANGING))
    made: list[Changes] = []

    def disturb() -> Changes:
        made.append(Changes(gateway.admin_port, changing, PER_MINUTE))
        return made[-1]

    try:
        gateway.prove(population.host(0), identity(0))
        seen = others.watch(bench, gateway, disturb, "churn")
        # What was acknowledged has changed something: each left an entry.
        entries = _entries(gateway)
    finally:
        gateway.stop()
    acknowledged, failed = sum(changes.made for changes in made), [failure for changes in made for failure in changes.failures]
    need(acknowledged, f"no change was made: {failed[0] if failed else 'no answer came'}")
    rates = [changes.per_minute for changes in made]
    outcome = Outcome(raw={"rounds": [round_.raw() for round_ in seen.rounds], "capacity_per_s": seen.capacity_per_s, "per_minute": rates, "audit": entries})
    outcome.lines = head("requests/s, open loop, of what it can do", "changes a minute", "p50 ms without → with", "p99 ms without", "p99 ms with", "×", "slowest change, ms")
    outcome.lines.append(
        row(
            f"{seen.rate_per_s:,.0f} of {seen.capacity_per_s:,.0f}", spread(rates, 0),
            f"{spread([r.quiet_p50_ms for r in seen.rounds], 2)} → {spread([r.disturbed_p50_ms for r in seen.rounds], 2)}",
            spread([r.quiet_p99_ms for r in seen.rounds], 2), spread([r.disturbed_p99_ms for r in seen.rounds], 2),
            spread([r.ratio for r in seen.rounds], 3), f"{max(changes.slowest_s for changes in made) * 1e3:.0f}",
        )
    )  # fmt: skip
    outcome.lines.append("")
    outcome.note(f"{acknowledged:,} changes, PATCH and PUT in turn, of {len(changing):,} tenants other than the {others.STREAMS} under load.")
    others.note(outcome, seen)
    if failed:
        outcome.note(f"The first of those that failed: {failed[0]}")
    outcome.bars = [
        Bar("p99 of others during 10,000 changes a minute, over that without", seen.ratio, BAR, digits=3, strict=True),
        Bar("changes a minute that were acknowledged", min(rates), PER_MINUTE * 0.98, digits=0, at_least=True),
        Bar.nothing("changes refused or lost", len(failed)),
        Bar.nothing("requests of others lost", sum(round_.lost for round_ in seen.rounds)),
    ]
    missing = acknowledged - entries
    outcome.bars.append(Bar.nothing("acknowledged changes without an audit entry", max(0, missing)))
    return outcome


def _entries(gateway: Gateway) -> int:
    """Changes in the audit log, newest first, until there are only the import's entries."""
    count, cursor = 0, ""
    while True:
        page = gateway.api.must("GET", f"/api/v1/audit?limit=1000{f'&cursor={cursor}' if cursor else ''}").json()
        # An import's tenants were made and not changed: `before` is null.
        changed = [entry for entry in page["entries"] if entry.get("before")]
        count += len(changed)
        cursor = page.get("next_cursor")
        if not cursor or not changed:
            return count
