"""Benches that change the gateway every second of a load, and say whether anything was lost."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from peers import ROOT
from process import Failure, wait_until


def parser(about: str) -> argparse.ArgumentParser:
    """With what they all take."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--tollgate", type=Path, default=ROOT / "target/release/tollgate")
    made.add_argument("--seconds", type=int, default=60)
    made.add_argument("--proxy-core", type=int, default=0)
    made.add_argument("--load-core", type=int, default=1)
    made.add_argument("--keep", action="store_true", help="keep the temp folder (configuration and logs)")
    return made


def seconds(count: int, is_over: Callable[[], bool], started: float) -> Iterator[int]:
    """Each second of a load as it begins, but for the last two: of what is changed then the consequences are still counted."""
    for second in range(1, count - 1):
        wait_until(lambda at=started + second: time.monotonic() >= at, count, "the next second")
        if is_over():
            return
        yield second


def put(path: Path, text: str) -> None:
    """Renamed into place as editors do it: a watcher must never meet half a file."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def verdict(wrong: list[str]) -> int:
    """Says it, and how to exit."""
    print(f"FAILED: {'; '.join(wrong)}" if wrong else "ok: nothing was lost")
    return 1 if wrong else 0


def run(name: str, main: Callable[[], int]) -> None:
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"{name}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
