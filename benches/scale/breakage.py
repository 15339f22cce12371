"""Ways to break a store under a running gateway, and to mend it.

Permissions are no obstacle to root, nor to a descriptor that is open already; a file that is moved away goes on living under
its open descriptors, too. So `moved` breaks only what opens the file anew. What an open descriptor does notice is what happens
to the file itself: its length and its bytes. Nobody writes to the store meanwhile (nothing in these runs does): SQLite could
carry a log's pages over into a file whose bytes are then put back, and what was acknowledged would be undone by the benchmark.
"""

import os
import shutil
from pathlib import Path

from stores import COMPANIONS

PAGE = 4096


class Breakage:
    name: str
    title: str

    def __init__(self, store: Path):
        self._store = store

    def break_(self) -> None:
        raise NotImplementedError

    def mend(self) -> None:
        raise NotImplementedError

    def _files(self) -> list[Path]:
        return [path for path in (Path(f"{self._store}{companion}") for companion in COMPANIONS) if path.exists()]


class Moved(Breakage):
    """The file, its log and its index are renamed away; folders stand where they were, so that nothing can be made there."""

    name, title = "moved", "moved away, folders in its place"

    def break_(self) -> None:
        self._moved = self._files()
        for path in self._moved:
            path.rename(f"{path}.away")
            path.mkdir()

    def mend(self) -> None:
        for path in self._moved:
            path.rmdir()
            Path(f"{path}.away").rename(path)


class InPlace(Breakage):
    """The bytes of the file itself are lost, and put back into the same file. The log is left alone."""

    def break_(self) -> None:
        self._kept = Path(f"{self._store}.kept")
        shutil.copyfile(self._store, self._kept)
        self._spoil()

    def mend(self) -> None:
        # Into the same inode: who has it open sees it heal.
        with self._kept.open("rb") as whole, self._store.open("r+b") as broken:
            shutil.copyfileobj(whole, broken, 1 << 20)
            os.fsync(broken.fileno())
        self._kept.unlink()

    def _spoil(self) -> None:
        raise NotImplementedError


class Truncated(InPlace):
    name, title = "truncated", "truncated to nothing"

    def _spoil(self) -> None:
        os.truncate(self._store, 0)


class Corrupted(InPlace):
    """Every page holds other bytes: what isn't in SQLite's own cache is malformed."""

    name, title = "corrupted", "every page overwritten"

    def _spoil(self) -> None:
        size = self._store.stat().st_size
        with self._store.open("r+b") as file:
            for _ in range(0, size, PAGE * 256):
                file.write(os.urandom(min(PAGE * 256, size - file.tell())))
            file.flush()


KINDS = (Moved, Truncated, Corrupted)
