"""The rows as Markdown: the bars first, then a table a scenario, with medians, their spread, and ratios taken within each round."""

import bars
import machine
from block import Block
from columns import COLUMNS, Column
from peers import Peer
from rounds import Rounds, Spread
from sample import Sample
from scenario import SCENARIOS, Scenario

BLOCK = Block("compare")
NOISE_MAX = 0.10  # above this share of a core, somebody else was at work


def conditions(versions: dict[str, str], args, realtime: bool) -> dict:
    return {
        **machine.described(args),
        "rounds": args.rounds,
        "duration_s": args.duration,
        "warmup_s": args.warmup,
        "connections": args.connections,
        "realtime": realtime,
        "versions": versions,
    }


def markdown(rounds: Rounds, peers: list[Peer], condition: dict, failures: dict[tuple[str, str], str], chart: str | None) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in condition["versions"].items())
    lines = [
        f"{condition['date']}, kernel {condition['kernel']}, {condition['cpu']}, {condition['cores']} cores: "
        f"proxy on core {condition['proxy_core']}, origin and load on core {condition['load_core']}. "
        f"Interleaved rounds, a fresh process each, {condition['connections']} connections. {versions}."
        + ("" if condition["realtime"] else " Without real-time priority for the open loop."),
        "",
        *([f"![CPU time per request as × of the better of HAProxy and nginx]({chart})", ""] if chart else []),
        *_judged(rounds),
    ]
    for name, scenario in SCENARIOS.items():
        failed = {peer: why for (where, peer), why in failures.items() if where == name}
        if rounds.of(name) or failed:
            lines += ["", f"### `{name}`: {scenario.title}", ""]
            lines += _table(rounds, scenario, peers)
            lines += _notes(rounds.of(name), scenario, peers, failed)
    return "\n".join(lines) + "\n"


def _judged(rounds: Rounds) -> list[str]:
    lines = bars.lines(rounds)
    return ["Bars (the median of the rounds, lowest and highest in brackets):", "", *lines] if lines else []


def _table(rounds: Rounds, scenario: Scenario, peers: list[Peer]) -> list[str]:
    columns = COLUMNS[scenario.kind]
    titles = [title for column in columns for title in ([column.title, "×"] if column.best else [column.title])]
    lines = [f"| | {' | '.join(titles)} | errors |", "|---" * (len(titles) + 2) + "|"]
    for peer in peers:
        rows = rounds.of(scenario.name, peer.name)
        if not rows:
            continue
        errors = sum(row.errors for row in rows)
        cells = [peer.label]
        for column in columns:
            cells.append(shown(rounds.spread(scenario.name, peer.name, column.figure), column))
            if column.best:
                ratio = rounds.ratio(scenario.name, peer.name, column.figure, best=column.best)
                cells.append(f"{ratio.middle:.2f}" if ratio else "–")
        cells.append(f"**{errors:,} ⚠**" if errors else "0")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def shown(spread: Spread | None, column: Column) -> str:
    if spread is None:
        return "–"
    if column.percent:
        return f"{spread.middle:.0%}"
    middle, low, high = (f"{value:,.{column.digits}f}" for value in (spread.middle, spread.low, spread.high))
    return middle if spread.low == spread.high else f"{middle} ({low}–{high})"


def _notes(samples: list[Sample], scenario: Scenario, peers: list[Peer], failed: dict[str, str]) -> list[str]:
    notes = []
    if samples:
        count = 1 + max(sample.round for sample in samples)
        notes.append(f"{count} round{'s' if count > 1 else ''}.")
    notes += [
        f"{peer.label}: {peer.differs[scenario.name]}."
        for peer in peers
        if scenario.name in peer.differs and any(sample.peer == peer.name for sample in samples)
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
