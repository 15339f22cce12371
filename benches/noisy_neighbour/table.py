"""The figures as Markdown tables: medians over the rounds, with the lowest and highest."""

from statistics import median

from figures import (
    Figure,
    Figures,
    cpu_us,
    jain,
    latency,
    quiet_lost,
    quiet_ratio,
    ratio,
    seats,
    spread,
    used,
)
from proxies import Configured

NOISE_MAX = 0.10  # above this share of a core, somebody else was at work
NONE = "–"


def tables(figures: Figures, proxies: list[Configured]) -> str:
    parts = [
        "### Five quiet tenants and one aggressor",
        "",
        *_quiet(figures, proxies),
        "",
        "### Two that want everything",
        "",
        *_greedy(figures, proxies),
        "",
        "### Harder, for those who use the origin fully and refuse nobody",
        "",
        *_harder(figures, [proxy for proxy in proxies if proxy.contender]),
    ]
    return "\n".join(parts)


def _quiet(figures: Figures, proxies: list[Configured]) -> list[str]:
    lines = [
        "| | p99 alone → attacked, ms | × | the same, ±50 % | × | quiet refused | origin used under attack | used by the aggressor alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for proxy in proxies:
        key = proxy.key
        lines.append(
            _row(
                proxy.title,
                _change(figures, key, "alone", "attacked"),
                _spread(figures, key, quiet_ratio("attacked", "alone"), 2),
                _change(figures, key, "alone-jittered", "attacked-jittered"),
                _spread(figures, key, quiet_ratio("attacked-jittered", "alone-jittered"), 2),
                _percent(figures, key, quiet_lost("attacked", "attacked-jittered")),
                _percent(figures, key, used("attacked")),
                _percent(figures, key, used("aggressor")),
            )
        )
    return lines


def _greedy(figures: Figures, proxies: list[Configured]) -> list[str]:
    lines = [
        "Share of the origin's worker time.",
        "",
        "| | 10 ms : 100 ms requests, 256 connections each | 448 : 64 connections | weights 1 : 3 |",
        "|---|---|---|---|",
    ]
    for proxy in proxies:
        pairs = (("durations", "short", "long"), ("connections", "many", "few"), ("weights", "one", "three"))
        lines.append(_row(proxy.title, *(_split(figures, proxy.key, *pair) for pair in pairs)))
    return lines


def _harder(figures: Figures, proxies: list[Configured]) -> list[str]:
    lines = [
        "| | quiet p50 × alone, aggressor's requests 100 ms, constant · ±50 % | ten aggressors: quiet p99 × alone, constant · ±50 % | refused | origin used "
        "| CPU µs a request, uncontended → ten | × | 1,000 backlogged: Jain's index | most : least | origin used | CPU µs, uncontended → 1,000 | × |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for proxy in proxies:
        key = proxy.key
        slow = _spread(figures, key, quiet_ratio("slow", "alone", "p50_ms"), 2)
        slow_jittered = _spread(figures, key, quiet_ratio("slow-jittered", "alone-jittered", "p50_ms"), 2)
        constant = _spread(figures, key, quiet_ratio("ten", "alone"), 2)
        jittered = _spread(figures, key, quiet_ratio("ten-jittered", "alone-jittered"), 2)
        lines.append(
            _row(
                proxy.title,
                f"{slow} · {slow_jittered}",
                f"{constant} · {jittered}",
                _percent(figures, key, quiet_lost("ten", "ten-jittered")),
                _percent(figures, key, used("ten-jittered")),
                _cpu(figures, key, "ten-uncontended", "ten-jittered"),
                _spread(figures, key, ratio(cpu_us("ten-jittered"), cpu_us("ten-uncontended")), 2),
                _spread(figures, key, jain("thousand"), 4),
                _spread(figures, key, spread("thousand"), 2),
                _percent(figures, key, used("thousand")),
                _cpu(figures, key, "thousand-uncontended", "thousand"),
                _spread(figures, key, ratio(cpu_us("thousand"), cpu_us("thousand-uncontended")), 2),
            )
        )
    return lines


def noise(trials: list) -> list[str]:
    noisy = [trial for trial in trials if max(trial.others_on_proxy_core, trial.others_on_load_core) > NOISE_MAX]
    if not noisy:
        return []
    return [
        f"**Noisy**: in {len(noisy)} of {len(trials)} measurements something else used more than {NOISE_MAX:.0%} of a core "
        f"(at worst {max(trial.others_on_proxy_core for trial in trials):.0%} of the proxy's, "
        f"{max(trial.others_on_load_core for trial in trials):.0%} of the load's)."
    ]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _change(figures: Figures, key: str, alone: str, attacked: str) -> str:
    before = figures.median(key, latency(alone, "p99_ms"))
    after = figures.median(key, latency(attacked, "p99_ms"))
    return NONE if before is None or after is None else f"{before:.1f} → {after:.1f}"


def _cpu(figures: Figures, key: str, before: str, after: str) -> str:
    pair = figures.median(key, cpu_us(before)), figures.median(key, cpu_us(after))
    return NONE if None in pair else f"{pair[0]:.1f} → {pair[1]:.1f}"


def _split(figures: Figures, key: str, attack: str, left: str, right: str) -> str:
    pair = figures.median(key, seats(attack, left)), figures.median(key, seats(attack, right))
    return NONE if None in pair else f"{100 * pair[0]:.0f} : {100 * pair[1]:.0f}"


def _percent(figures: Figures, key: str, figure: Figure) -> str:
    value = figures.median(key, figure)
    if value is None:
        return NONE
    # A refusal is one too many, however rare: it must not be rounded away.
    return f"{100 * value:.0f} %" if value == 0 or value >= 0.1 else f"{100 * value:.1f} %"


def _spread(figures: Figures, key: str, figure: Figure, digits: int) -> str:
    values = figures.values(key, figure)
    if not values:
        return NONE
    middle, low, high = (f"{value:.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"
