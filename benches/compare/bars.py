"""The bars that Tollgate is held to, each a line that says whether it was met."""

from dataclasses import dataclass

from rounds import Rounds
from scenario import BASELINES

US = "tollgate"
MEMORY_MIB = 8  # by which a proxy that streams may grow


@dataclass(frozen=True)
class Bar:
    scenario: str
    what: str
    figure: str
    most: float
    over: tuple[str, ...] = ()  # of whom it is a ratio: the better one; empty: none
    unit: str = ""
    worst: bool = False  # the worst round counts, not the middle one
    noise: str = ""  # the figure of as long a time in which nothing was done: where that is beyond the bar, nothing can be said

    def judged(self, rounds: Rounds) -> tuple[str, bool | None]:
        """The line, and whether the bar was met; `None` where that can't be said."""
        found = rounds.ratio(self.scenario, US, self.figure, self.over) if self.over else rounds.spread(self.scenario, US, self.figure)
        if found is None:
            return f"- not measured: {self.what} ≤ {self._show(self.most)}", None
        value = found.high if self.worst else found.middle
        met: bool | None = value <= self.most
        word = "met" if met else "**missed**"
        noise = rounds.spread(self.scenario, US, self.noise) if self.noise else None
        if noise and not met and noise.high > self.most:
            met, word = None, f"can't be said ({self._show(noise.high)} where nothing was done)"
        spread = f"{self._show(found.middle)} ({self._number(found.low)}–{self._number(found.high)})"
        return f"- {word}: {self.what} {spread}, bar ≤ {self._show(self.most)}", met

    def _number(self, value: float) -> str:
        return f"{value:.2f}"

    def _show(self, value: float) -> str:
        return f"{self._number(value)} {self.unit}" if self.unit else f"{self._number(value)} ×"


def _ratio(scenario: str, most: float, over: tuple[str, ...], of: str = "", figure: str = "cpu_us") -> Bar:
    return Bar(scenario, f"`{scenario}`: CPU over {of or ' or '.join(over)}", figure, most, over)


def _spike(figure: str, act: str) -> Bar:
    return Bar("disturbed", f"largest latency within a second of {act}", figure, 5, unit="ms", worst=True, noise="quiet_ms")


_HAPROXY, _NGINX = ("haproxy",), ("nginx",)
BARS = (
    _ratio("plain", 0.85, BASELINES, "the better of HAProxy and nginx"),
    _ratio("tenants", 0.85, BASELINES, "the better of HAProxy and nginx"),
    _ratio("everything", 1.0, BASELINES, "the better of HAProxy and nginx at `plain`"),
    _ratio("tenants_100k", 1.05, (US,), "Tollgate's own with 1,000 tenants"),
    _ratio("https", 0.95, _NGINX, "nginx"),
    _ratio("h2", 1.05, _HAPROXY, "HAProxy"),
    _ratio("new_tls", 0.75, _NGINX, "nginx"),
    _ratio("down", 0.8, _HAPROXY, "HAProxy"),
    _ratio("up", 0.8, _HAPROXY, "HAProxy"),
    _ratio("down_1g", 0.8, _HAPROXY, "HAProxy", "cpu_ms"),
    _ratio("up_1g", 0.8, _HAPROXY, "HAProxy", "cpu_ms"),
    Bar("down_1g", "`down_1g`: growth of memory", "grown_mib", MEMORY_MIB, unit="MiB", worst=True),
    Bar("up_1g", "`up_1g`: growth of memory", "grown_mib", MEMORY_MIB, unit="MiB", worst=True),
    Bar("idle", "fresh and idle", "fresh_mib", 10, unit="MiB"),
    Bar("idle", "an idle connection of a client with one to the origin", "kib_per_pair", 8, unit="KiB"),
    Bar("tail", "`tail`: p99.9 over HAProxy", "p999_ms", 1.0, _HAPROXY),
    _spike("reload_ms", "a reload"),
    _spike("scrape_ms", "a scrape of 10,000 series"),
    _spike("rotation_ms", "the log's rotation"),
    _spike("churn_ms", "the beginning of a second of tenant churn"),
)


def lines(rounds: Rounds) -> list[str]:
    return [bar.judged(rounds)[0] for bar in BARS if rounds.of(bar.scenario, US)]
