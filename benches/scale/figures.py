"""Figures as they are told: percentiles, medians with their spread, and memory as /proc has it."""

import time
from math import ceil
from pathlib import Path
from statistics import median

from process import Failure, tree, wait_until

MIB = 1024 * 1024


def percentile(values: list[float], percent: float) -> float:
    """By nearest rank: the lowest value that `percent` of all do not exceed."""
    if not values:
        raise Failure("no values to take a percentile of")
    ranked = sorted(values)
    rank = max(1, ceil(len(ranked) * percent / 100 - 1e-9))
    return ranked[rank - 1]


def spread(values: list[float], digits: int = 1) -> str:
    """The median, with the lowest and the highest."""
    if not values:
        return "–"
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def quantiles(values: list[float], digits: int = 2) -> str:
    """p50 / p99 / the highest."""
    shown = (percentile(values, 50), percentile(values, 99), max(values))
    return " / ".join(f"{value:,.{digits}f}" for value in shown)


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*cells: str) -> list[str]:
    return [row(*cells), "|" + "---|" * len(cells)]


def resident(pid: int) -> int:
    """VmRSS of one process, in bytes."""
    return _kib(Path(f"/proc/{pid}/status"), "VmRSS:") * 1024


def proportional(root: int) -> int:
    """PSS of a process and all below it, in bytes: what a master and its workers share counts once."""
    total = 0
    for pid in tree(root):
        try:
            total += _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since it was listed
    return total


def settled(pid: int, pause_s: float = 7) -> int:
    """Resident memory when it has been quiet for `pause_s` and has not changed for a second and a half, in bytes."""
    moment = time.monotonic() + pause_s
    wait_until(lambda: time.monotonic() >= moment, pause_s + 1, "a pause")
    last, since = resident(pid), time.monotonic()
    deadline = since + 30
    while time.monotonic() < deadline and time.monotonic() - since < 1.5:
        time.sleep(0.1)
        now = resident(pid)
        if abs(now - last) > 64 * 1024:
            last, since = now, time.monotonic()
    return resident(pid)


def _kib(path: Path, name: str) -> int:
    for text in path.read_text().splitlines():
        if text.startswith(name):
            return int(text.split()[1])
    raise ProcessLookupError(f"{path} lacks {name}")  # a process that has ended has no memory
