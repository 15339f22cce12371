"""Resident memory of a process tree; what several processes share is counted with each."""

from pathlib import Path

from process import tree

KIB = 1024


def resident(root: int) -> int:
    """Octets that are resident now."""
    return _sum(root, "VmRSS:")


def peak(root: int) -> int:
    """The most that was resident since `forget_peak`."""
    return _sum(root, "VmHWM:")


def forget_peak(root: int) -> None:
    for pid in tree(root):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _sum(root: int, field: str) -> int:
    return KIB * sum(_kib(pid, field) for pid in tree(root))


def _kib(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
