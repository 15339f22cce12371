"""All samples of a run, and ratios within a round.

The machine drifts between rounds more than within one, so a ratio of medians would be worth less.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from sample import Sample
from scenario import BASELINES, SCENARIOS


@dataclass(frozen=True)
class Spread:
    """The median with the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        return cls(median(values), min(values), max(values)) if values else None


class Rounds:
    def __init__(self, samples: list[Sample]):
        self.samples = samples
        self._by_key = {(sample.scenario, sample.peer, sample.round): sample for sample in samples}

    def of(self, scenario: str, peer: str | None = None) -> list[Sample]:
        return [sample for sample in self.samples if sample.scenario == scenario and peer in (None, sample.peer)]

    def spread(self, scenario: str, peer: str, figure: str) -> Spread | None:
        return Spread.of([sample.figures[figure] for sample in self.of(scenario, peer) if figure in sample.figures])

    def ratio(
        self, scenario: str, peer: str, figure: str, over: tuple[str, ...] | None = None, best: Callable = min
    ) -> Spread | None:  # fmt: skip
        """Of a peer's figure over the best of `over` (by default the scenario's yardstick) in the same round."""
        yardstick = SCENARIOS[scenario].yardstick
        if over is None:
            over = (peer,) if SCENARIOS[scenario].own else BASELINES
        ratios = []
        for row in self.of(scenario, peer):
            others = (self._by_key.get((yardstick, other, row.round)) for other in over)
            # Who failed requests did less work: that is no measure.
            baselines = [other.figures[figure] for other in others if other and other.errors == 0 and figure in other.figures]
            if figure in row.figures and baselines and best(baselines) > 0:
                ratios.append(row.figures[figure] / best(baselines))
        return Spread.of(ratios)
