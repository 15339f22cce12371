"""The rows as a Markdown table: medians, their spread, and ratios taken within each round."""

from collections import defaultdict
from statistics import median

import machine
from block import Block
from measure import Sample
from peers import Peer
from scenario import SCENARIOS

BLOCK = Block("compare")
BASELINES = ("haproxy", "nginx")
NOISE_MAX = 0.10  # above this share of a core, somebody else was at work


def conditions(versions: dict[str, str], args) -> dict:
    return {
        **machine.described(args),
        "rounds": args.rounds,
        "duration_s": args.duration,
        "warmup_s": args.warmup,
        "connections": args.connections,
        "versions": versions,
    }


def markdown(samples: list[Sample], peers: list[Peer], condition: dict, failures: dict[tuple[str, str], str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in condition["versions"].items())
    lines = [
        f"{condition['date']}, kernel {condition['kernel']}, {condition['cpu']}, {condition['cores']} cores: "
        f"proxy on core {condition['proxy_core']}, origin and load on core {condition['load_core']}. "
        f"{condition['rounds']} interleaved rounds of {condition['duration_s']} s after {condition['warmup_s']} s of warm-up, "
        f"{condition['connections']} connections, a fresh process each. {versions}.",
    ]
    for name, scenario in SCENARIOS.items():
        of_scenario = [sample for sample in samples if sample.scenario == name]
        failed = {peer: why for (where, peer), why in failures.items() if where == name}
        if of_scenario or failed:
            lines += ["", f"### `{name}`: {scenario.title}", ""]
            lines += _table(of_scenario, peers)
            lines += _notes(name, of_scenario, peers, failed)
    return "\n".join(lines) + "\n"


def _table(samples: list[Sample], peers: list[Peer]) -> list[str]:
    lines = [
        "| | CPU µs / request | × | of it user | × | requests/s | × | p50 ms | p99 ms | × | proxy core used | errors |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    by_peer = defaultdict(list)
    for sample in samples:
        by_peer[sample.peer].append(sample)
    for peer in peers:
        rows = by_peer[peer.name]
        if not rows:
            continue
        errors = sum(row.errors for row in rows)
        cells = [
            peer.label,
            _spread([row.cpu_us for row in rows], 1),
            _ratio(samples, rows, "cpu_us", min),
            _spread([row.cpu_user_us for row in rows], 1),
            _ratio(samples, rows, "cpu_user_us", min),
            _spread([row.requests_per_s for row in rows], 0),
            _ratio(samples, rows, "requests_per_s", max),
            _spread([row.p50_ms for row in rows], 2),
            _spread([row.p99_ms for row in rows], 2),
            _ratio(samples, rows, "p99_ms", min),
            f"{median(row.proxy_core_used for row in rows):.0%}",
            f"**{errors:,} ⚠**" if errors else "0",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _notes(scenario: str, samples: list[Sample], peers: list[Peer], failed: dict[str, str]) -> list[str]:
    notes = [
        f"{peer.label}: {peer.differs[scenario]}."
        for peer in peers
        if scenario in peer.differs and any(sample.peer == peer.name for sample in samples)
    ]
    notes += [f"**{peer} could not be measured**: {why.splitlines()[0]}" for peer, why in failed.items()]
    noisy = [s for s in samples if max(s.others_on_proxy_core, s.others_on_load_core) > NOISE_MAX]
    if noisy:
        notes.append(
            f"**Noisy**: in {len(noisy)} of {len(samples)} measurements something else used more than "
            f"{NOISE_MAX:.0%} of a core (at worst {max(s.others_on_proxy_core for s in samples):.0%} of the proxy's, "
            f"{max(s.others_on_load_core for s in samples):.0%} of the load's)."
        )
    return ["", *(f"- {note}" for note in notes)] if notes else []


def _spread(values: list[float], digits: int) -> str:
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def _ratio(samples: list[Sample], rows: list[Sample], figure: str, best) -> str:
    """Median over the rounds of this peer's figure over the best baseline's of the same round.

    The machine drifts between rounds more than within one, so a ratio of medians would be worth less.
    """
    ratios = []
    for row in rows:
        baselines = [
            getattr(other, figure)
            for other in samples
            # A baseline that failed requests did less work: it is no measure.
            if other.round == row.round and other.peer in BASELINES and other.errors == 0
        ]
        if baselines and best(baselines) > 0:
            ratios.append(getattr(row, figure) / best(baselines))
    return f"{median(ratios):.2f}" if ratios else "–"
