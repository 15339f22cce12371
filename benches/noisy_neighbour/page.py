"""A run's result as the page shows it: conditions, tables, bars and the plot."""

from dataclasses import dataclass
from pathlib import Path

import bars
import plot
import table
from block import Block
from figures import Figures, used
from proxies import Configured
from trial import Trial

BLOCK = Block("fairness")
PAGE, PLOT = "fairness.md", "fairness.svg"


@dataclass(frozen=True)
class Result:
    trials: list[Trial]
    proxies: list[Configured]
    condition: dict
    failures: dict[str, str]

    @property
    def figures(self) -> Figures:
        return Figures(self.trials)

    def met(self, judged: str) -> bool:
        return bars.lines(self.figures, judged)[1]

    def markdown(self, judged: str) -> str:
        condition = self.condition
        versions = ", ".join(f"{name} {version}" for name, version in condition["versions"].items())
        scheduled = {
            "none": "the usual scheduling",
            "load": "origin and load at a real-time priority",
            "all": "all at a real-time priority",
        }[condition["realtime"]]
        notes = table.noise(self.trials)
        notes += [f"**{name} could not be measured**: {_gist(why)}" for name, why in self.failures.items()]
        ceiling = self.figures.median("direct", used("ceiling"))
        if ceiling is not None:
            notes.append(f"Without a proxy, 64 connections flat out use {ceiling:.1%} of the origin: the rest is the load's own.")
        lines, _ = bars.lines(self.figures, judged)
        parts = [
            f"{condition['date']}, kernel {condition['kernel']}, {condition['cpu']}, {condition['cores']} cores: "
            f"proxy on core {condition['proxy_core']}, origin and load on core {condition['load_core']}. "
            f"{condition['rounds']} interleaved rounds of {condition['duration_s']:g} s after {condition['warmup_s']:g} s of warm-up, "
            f"{condition['arrivals']} arrivals, a fresh process each, {scheduled}; "
            f"medians, with the lowest and highest. {versions}.",
            "",
            *(f"- {note}" for note in notes),
            *([""] if notes else []),
            table.tables(self.figures, self.proxies),
            "",
            f"### The bars, for {judged}",
            "",
            *lines,
        ]
        return "\n".join(parts) + "\n"


def write(docs: Path, result: Result, judged: str) -> None:
    (docs / PLOT).write_text(plot.svg(result.figures, result.proxies))
    block = f"![{plot.ALT}]({PLOT})\n\n{result.markdown(judged)}"
    BLOCK.write(docs / PAGE, block)


def _gist(why: str) -> str:
    """The line of a failure that says most."""
    lines = why.splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[0])
