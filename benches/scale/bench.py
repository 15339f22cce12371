"""What stays the same for every experiment of a run, and what an experiment says in the end."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from origin import Origin
from process import Failure, Workspace, tree

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PRIORITY = 10  # of any above 0


@dataclass(frozen=True)
class Bar:
    """What Tollgate is held to; `limit` is the most that is allowed, or the least where `at_least`."""

    what: str
    value: float
    limit: float
    unit: str = ""
    digits: int = 2
    at_least: bool = False
    # A bar that says "less than" isn't met by its limit.
    strict: bool = False

    @property
    def met(self) -> bool:
        if self.at_least:
            return self.value >= self.limit
        return self.value < self.limit if self.strict else self.value <= self.limit

    def cells(self) -> list[str]:
        sign = "≥" if self.at_least else "<" if self.strict else "≤"
        unit = f" {self.unit}" if self.unit else ""
        verdict = "pass" if self.met else "**miss**"
        return [self.what, f"{self.value:,.{self.digits}f}{unit}", f"{sign} {self.limit:,g}{unit}", verdict]

    @staticmethod
    def nothing(what: str, count: float) -> "Bar":
        """A bar of none."""
        return Bar(what, count, 0, digits=0)


@dataclass
class Outcome:
    bars: list[Bar] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # Markdown
    raw: dict = field(default_factory=dict)

    def note(self, text: str) -> None:
        self.lines.append(f"- {text}")


@dataclass
class Bench:
    workspace: Workspace
    tollgate: Path
    engine_path: Path | None  # of the open loop in Rust; built when it is first needed
    proxy_core: int
    load_core: int
    tenants: int
    rounds: int
    duration_s: int
    peers: list[str]
    quick: bool
    realtime: bool
    cores: list[int]  # all that this run may use
    others_per_s: float | None = None  # of the open loop beside changes; by default a share of what the proxy can do
    origin: Origin = field(init=False)

    def __post_init__(self) -> None:
        self.origin = Origin(self.workspace, self.load_core)
        if self.realtime:
            # Beside load of the usual kind it answers at once, as a host of its own would.
            for pid in tree(self.origin.child.pid):
                os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(PRIORITY))

    @property
    def first(self) -> list[str]:
        """The words before a load's command: how it is scheduled."""
        return ["chrt", "-f", str(PRIORITY)] if self.realtime else []

    def scaled(self, count: int) -> int:
        """A number of tenants that an experiment asks for, within what the run has."""
        return min(count, self.tenants)

    def times(self, count: int) -> int:
        """How often a thing is done: a tenth in a quick run."""
        return max(2, count // 10) if self.quick else count

    def engine(self) -> Path:
        if self.engine_path is None:
            # Built by the noisy-neighbour benchmark, whose load it is.
            sys.path.append(str(HERE.parent / "noisy_neighbour"))
            from engine import build

            self.engine_path = build().resolve()
        return self.engine_path


def may_be_realtime() -> bool:
    return subprocess.run(["chrt", "-f", str(PRIORITY), "true"], capture_output=True).returncode == 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def need(condition: object, what: str) -> None:
    """A measurement that isn't what it claims to be is no measurement."""
    if not condition:
        raise Failure(what)
