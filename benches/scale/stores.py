"""Stores with so many tenants: filled once, copied for whoever needs one."""

import os
import shutil
import time
from itertools import islice
from pathlib import Path

from bench import Bench, need, say
from gateway import Gateway
from tenants import Population

# Beside the file itself.
COMPANIONS = ("", "-wal", "-shm")
LINES_PER_REQUEST = 20_000


class Stores:
    def __init__(self, bench: Bench, kept: Path | None):
        """`kept` is a folder that outlives the run, so that a million tenants needn't be imported each time."""
        self._bench = bench
        self._folder = kept or bench.workspace.subfolder("stores")
        self._folder.mkdir(parents=True, exist_ok=True)

    def copy(self, count: int, name: str) -> Path:
        """A store of its own with tenants 0 to `count`, closed."""
        source = self._path(count)
        if not source.exists():
            self._fill(source, count)
        target = self._bench.workspace.subfolder(f"store-{name}-{time.monotonic_ns()}") / "tollgate.db"
        copy_closed(source, target)
        return target

    def keep(self, count: int, filled: Path) -> None:
        """Takes a store that an experiment has filled, closed, for those that come after it."""
        if not self._path(count).exists():
            copy_closed(filled, self._path(count))

    def _path(self, count: int) -> Path:
        return self._folder / f"tenants-{count}.db"

    def _fill(self, target: Path, count: int) -> None:
        say(f"filling a store with {count:,} tenants")
        store = self._bench.workspace.subfolder(f"filling-{time.monotonic_ns()}") / "tollgate.db"
        gateway = Gateway(self._bench, "filling", store=store).start()
        try:
            fill(gateway, Population(count))
        finally:
            gateway.stop()
        copy_closed(store, target)
        shutil.rmtree(store.parent)


def fill(gateway: Gateway, population: Population) -> None:
    """Imports the whole population over the API."""
    lines = population.lines()
    while batch := "".join(islice(lines, LINES_PER_REQUEST)):
        said = gateway.api.import_lines(batch.encode())
        need(said["failed"] == 0, f"an import failed: {said}")


def copy_closed(source: Path, target: Path) -> None:
    """A store that nobody has open; a log that wasn't written back comes along."""
    for companion in ("-wal", ""):  # the file itself last: it is what says that all is there
        beside = Path(f"{source}{companion}")
        if beside.exists():
            shutil.copyfile(beside, f"{target}{companion}")


def size(store: Path) -> int:
    """Of the file and what stands beside it, in bytes."""
    return sum(path.stat().st_size for path in (Path(f"{store}{companion}") for companion in COMPANIONS) if path.exists())


def evict(store: Path) -> None:
    """Has the kernel forget what it keeps of the file, so that it has to be read again."""
    for companion in COMPANIONS:
        path = Path(f"{store}{companion}")
        if path.exists():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
