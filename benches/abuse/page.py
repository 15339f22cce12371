"""The table of docs/security.md: medians over the rounds, a row a case, the proxies beside each other."""

from collections import Counter
from statistics import median

import machine
from block import Block
from case import Case
from trial import Sample

BLOCK = Block("abuse")
RATIO_MAX = 1.20
GROWN_MAX_MIB = 256.0


def conditions(args, versions: dict[str, str]) -> dict:
    return {
        **machine.described(args),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "rate": args.rate,
        "realtime": args.realtime,
        "versions": versions,
    }


def markdown(samples: list[Sample], cases: list[Case], labels: dict[str, str], condition: dict, failures: dict[tuple[str, str], str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in condition["versions"].items())
    lines = [
        f"{condition['date']}, kernel {condition['kernel']}, {condition['cpu']}, {condition['cores']} cores: proxy with one worker on core "
        f"{condition['proxy_core']}, origin, clients and attackers on core {condition['load_core']}. {condition['rounds']} rounds of {condition['seconds']:g} s alone, "
        f"{condition['seconds']:g} s or more attacked, {condition['seconds']:g} s alone; {condition['rate']:g} requests/s of the quiet client. {versions}.",
    ]
    for group in dict.fromkeys(case.group for case in cases):
        rows = [row for case in cases if case.group == group for row in _rows(case, samples, labels, failures)]
        if rows:
            lines += ["", f"### {group}", "", *_HEAD, *rows]
    own = [sample for sample in samples if sample.proxy == "tollgate"]
    if own:
        lines += ["", _verdict(own)]
    return "\n".join(lines) + "\n"


_HEAD = [
    "| case | proxy | p99 alone → attacked, ms | × | lost | CPU alone → attacked | memory, MiB | attack | how it ended |",
    "|---|---|---|---|---|---|---|---|---|",
]


def _rows(case: Case, samples: list[Sample], labels: dict[str, str], failures: dict[tuple[str, str], str]) -> list[str]:
    rows, title = [], f"`{case.name}`: {case.title}" + (f" ({case.known_as})" if case.known_as else "")
    for proxy, label in labels.items():
        here = [sample for sample in samples if (sample.case, sample.proxy) == (case.name, proxy)]
        if here:
            rows.append(row(title, label, here))
        elif why := failures.get((case.name, proxy)):
            rows.append(f"| {title} | {label} | **not measured**: {why.splitlines()[0]} | | | | | | |")
        else:
            continue
        title = ""
    return rows


def row(title: str, label: str, here: list[Sample]) -> str:
    lost, requests = sum(one.lost for one in here), sum(one.requests for one in here)
    ratio = median(one.ratio for one in here)
    cells = [
        title,
        label,
        f"{median(one.p99_alone_ms for one in here):.2f} → {median(one.p99_ms for one in here):.2f}",
        bold(f"{ratio:.2f}", ratio > RATIO_MAX),
        bold(f"{lost:,} of {requests:,}", lost > 0) if lost else "0",
        f"{median(one.cpu_alone for one in here):.0%} → {median(one.cpu for one in here):.0%}",
        bold(f"+{max(one.rss_grown_mib for one in here):.1f}", max(one.rss_grown_mib for one in here) > GROWN_MAX_MIB),
        f"{median(one.attack_mib_s for one in here):.1f} MiB/s, {median(one.connections_s for one in here):,.0f} connections/s",
        "**the proxy died**" if any(one.died for one in here) else ended(here),
    ]
    return "| " + " | ".join(cells) + " |"


def ended(here: list[Sample]) -> str:
    """The two most frequent endings, each with its share, after how long, and after how much."""
    counts, told = Counter(), {}
    for sample in here:
        for how, one in sample.endings.items():
            counts[how] += one["count"]
            told.setdefault(how, []).append(one)
    total = sum(counts.values())
    parts = []
    for how, count in counts.most_common(2):
        if count * 20 < total and parts:
            break
        text = f"{how} after {amount(median(one['sent'] for one in told[how]))}, {seconds(median(one['after_s'] for one in told[how]))}"
        parts.append(text if count == total else f"{count / total:.0%} {text}")
    return "; ".join(parts) or "–"


def bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text


def amount(octets: float) -> str:
    for unit, size in (("MiB", 2**20), ("KiB", 2**10)):
        if octets >= size:
            return f"{octets / size:,.1f} {unit}"
    return f"{octets:.0f} octets"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{value * 1e3:.0f} ms"


def _verdict(own: list[Sample]) -> str:
    missed = [f"`{name}`" for name in dict.fromkeys(one.case for one in own) if not met([one for one in own if one.case == name])]
    names = len({one.case for one in own})
    return f"Tollgate keeps the bar in {names - len(missed)} of {names} cases" + (f"; not in {', '.join(missed)}." if missed else ".")


def met(here: list[Sample]) -> bool:
    """The bar: p99 within a fifth, nothing lost, memory bounded, and the proxy lives."""
    return (
        median(one.ratio for one in here) <= RATIO_MAX
        and not any(one.lost or one.died for one in here)
        and max(one.rss_grown_mib for one in here) <= GROWN_MAX_MIB
    )
