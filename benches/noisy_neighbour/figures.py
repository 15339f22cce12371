"""What a round says of a proxy: ratios between attacks of the same round, and shares of the origin's time.

A shared machine drifts more between rounds than within one, so a ratio is taken within a round, and the
median over the rounds is what counts.
"""

from collections import defaultdict
from collections.abc import Callable
from statistics import median

from trial import Trial

# A proxy's trials of one round, by attack.
Round = dict[str, Trial]
Figure = Callable[[Round], float]


class Figures:
    """All trials, asked by proxy; `None` wherever one that a figure needs is missing."""

    def __init__(self, trials: list[Trial]):
        self._rounds: dict[str, dict[int, Round]] = defaultdict(lambda: defaultdict(dict))
        for trial in trials:
            self._rounds[trial.proxy][trial.round][trial.attack] = trial

    def values(self, proxy: str, figure: Figure) -> list[float]:
        values = []
        for round_ in self._rounds[proxy].values():
            try:
                values.append(figure(round_))
            except (KeyError, TypeError, ZeroDivisionError):
                pass  # not measured, or nobody was answered
        return values

    def median(self, proxy: str, figure: Figure) -> float | None:
        values = self.values(proxy, figure)
        return median(values) if values else None


def latency(attack: str, percentile: str, group: str = "quiet") -> Figure:
    return lambda round_: getattr(round_[attack].groups[group], percentile)


def ratio(above: Figure, below: Figure) -> Figure:
    return lambda round_: above(round_) / below(round_)


def quiet_ratio(attacked: str, alone: str, percentile: str = "p99_ms") -> Figure:
    return ratio(latency(attacked, percentile), latency(alone, percentile))


def quiet_lost(*attacks: str) -> Figure:
    """Share of the quiet tenants' requests that were refused, failed or never answered, at worst."""

    def figure(round_: Round) -> float:
        groups = [round_[attack].groups["quiet"] for attack in attacks]
        return max((group.refused + group.failed) / group.intended for group in groups)

    return figure


def used(attack: str) -> Figure:
    return lambda round_: round_[attack].used


def seats(attack: str, tenant: str) -> Figure:
    """Share of the origin's time."""
    return lambda round_: round_[attack].seats[tenant]


def share(attack: str, tenant: str) -> Figure:
    """Share of the time that tenants got, whatever was left unused."""
    return lambda round_: round_[attack].seats[tenant] / sum(round_[attack].seats.values())


def jain(attack: str) -> Figure:
    """Jain's index of fairness over the tenants' seat-time: 1 where all got the same, 1/n where one got all."""

    def figure(round_: Round) -> float:
        got = list(round_[attack].seats.values())
        return sum(got) ** 2 / (len(got) * sum(value * value for value in got))

    return figure


def spread(attack: str) -> Figure:
    """The most seat-time of a tenant over the least."""
    return lambda round_: max(round_[attack].seats.values()) / min(round_[attack].seats.values())


def cpu_us(attack: str) -> Figure:
    return lambda round_: round_[attack].cpu_us
