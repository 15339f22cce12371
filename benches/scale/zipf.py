"""Zipf's law as an alias table (Walker, Vose): the n-th most popular of N is asked for 1/n^s as often as the first.

Made once and written to a file, so that the load draws in constant time whatever N is: a cell by chance, and then that
cell's own rank or its alias.
"""

from array import array
from pathlib import Path

# "Zipf's law" itself. With 1.2 million hosts the most popular hundred thousand get 83 % of the requests.
EXPONENT = 1.0


def weights(count: int, exponent: float = EXPONENT) -> list[float]:
    return [1.0 / rank**exponent for rank in range(1, count + 1)]


def alias_table(given: list[float]) -> tuple[array, array]:
    """For each cell the chance that it stands for itself, and for whom it stands otherwise."""
    count, total = len(given), sum(given)
    chance = array("d", (weight * count / total for weight in given))
    other = array("i", range(count))
    small = [cell for cell in range(count) if chance[cell] < 1.0]
    large = [cell for cell in range(count) if chance[cell] >= 1.0]
    while small and large:
        poor, rich = small.pop(), large[-1]
        other[poor] = rich
        chance[rich] -= 1.0 - chance[poor]
        if chance[rich] < 1.0:
            small.append(large.pop())
    # What is left is 1 but for rounding.
    for cell in small + large:
        chance[cell] = 1.0
    return chance, other


def probabilities(chance: array, other: array) -> list[float]:
    """What a table draws, exactly: how a table is proved."""
    count = len(chance)
    drawn = [0.0] * count
    for cell in range(count):
        drawn[cell] += chance[cell] / count
        drawn[other[cell]] += (1.0 - chance[cell]) / count
    return drawn


def write_table(path: Path, count: int, exponent: float = EXPONENT) -> None:
    """`count` doubles and `count` 32-bit integers, as this machine has them in memory."""
    chance, other = alias_table(weights(count, exponent))
    with path.open("wb") as out:
        chance.tofile(out)
        other.tofile(out)


def share_of_top(top: int, count: int, exponent: float = EXPONENT) -> float:
    """The share of requests that the `top` most popular of `count` get: the best that a cache of them can hit."""
    given = weights(count, exponent)
    return sum(given[:top]) / sum(given)
