"""The bars that Tollgate is held to, each a line that says pass or miss."""

from dataclasses import dataclass

from figures import Figure, Figures, cpu_us, jain, quiet_lost, quiet_ratio, ratio, share, used


@dataclass(frozen=True)
class Bar:
    what: str
    figure: Figure
    low: float
    high: float
    digits: int = 2
    percent: bool = False

    def line(self, figures: Figures, proxy: str) -> tuple[str, bool | None]:
        """The line, and whether the bar was met; `None` where it was not measured."""
        value = figures.median(proxy, self.figure)
        if value is None:
            return f"- not measured: {self.what}", None
        met = self.low <= value <= self.high
        bounds = []
        if self.low > 0:
            bounds.append(f"≥ {self._show(self.low)}")
        if self.high < float("inf"):
            bounds.append(f"≤ {self._show(self.high)}")
        word = "pass" if met else "**miss**"
        return f"- {word}: {self.what}: {self._show(value)} ({' and '.join(bounds)})", met

    def _show(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.percent else f"{value:.{self.digits}f}"


_INFINITE = float("inf")
_CONSTANT, _JITTERED = "constant service time", "service times ±50 %"

BARS = (
    Bar(f"quiet p99, attacked over alone, {_CONSTANT}", quiet_ratio("attacked", "alone"), 0, 1.75),
    Bar(f"quiet p99, attacked over alone, {_JITTERED}", quiet_ratio("attacked-jittered", "alone-jittered"), 0, 1.05),
    Bar("quiet requests refused or failed under attack", quiet_lost("attacked", "attacked-jittered"), 0, 0, percent=True),
    Bar(f"origin used under attack, {_CONSTANT}", used("attacked"), 0.97, _INFINITE, percent=True),
    Bar(f"origin used under attack, {_JITTERED}", used("attacked-jittered"), 0.97, _INFINITE, percent=True),
    Bar("origin used by the aggressor alone", used("aggressor"), 0.97, _INFINITE, percent=True),
    Bar("seat-time of 10 ms requests beside 100 ms", share("durations", "short"), 0.47, 0.53, percent=True),
    Bar("seat-time of 64 connections beside 448", share("connections", "few"), 0.47, 0.53, percent=True),
    Bar("seat-time of weight 1 beside 3", share("weights", "one"), 0.22, 0.28, percent=True),
    # In step with each other, 100 ms requests end in clumps, and between two of them nobody can be let in
    # without idle workers: with constant times even an absolute priority of the quiet misses 1.3.
    Bar(
        f"quiet p50, attacked by 100 ms requests, over alone, {_JITTERED}",
        quiet_ratio("slow-jittered", "alone-jittered", "p50_ms"), 0, 1.3,
    ),
    Bar(f"quiet p99, ten aggressors, over alone, {_CONSTANT}", quiet_ratio("ten", "alone"), 0, 1.75),
    Bar(f"quiet p99, ten aggressors, over alone, {_JITTERED}", quiet_ratio("ten-jittered", "alone-jittered"), 0, 1.05),
    Bar("quiet requests refused or failed, ten aggressors", quiet_lost("ten", "ten-jittered"), 0, 0, percent=True),
    Bar("origin used, ten aggressors", used("ten-jittered"), 0.97, _INFINITE, percent=True),
    Bar(
        "CPU a request, ten aggressors, over uncontended",
        ratio(cpu_us("ten-jittered"), cpu_us("ten-uncontended")), 0, 1.1,
    ),
    Bar("Jain's index over 1,000 backlogged tenants", jain("thousand"), 0.99, _INFINITE, digits=4),
    Bar("origin used, 1,000 backlogged tenants", used("thousand"), 0.97, _INFINITE, percent=True),
    Bar(
        "CPU a request, 1,000 backlogged tenants, over uncontended",
        ratio(cpu_us("thousand"), cpu_us("thousand-uncontended")), 0, 1.1,
    ),
)  # fmt: skip


def lines(figures: Figures, proxy: str) -> tuple[list[str], bool]:
    """A line for each bar, and whether none was missed."""
    judged = [bar.line(figures, proxy) for bar in BARS]
    return [line for line, _ in judged], all(met is not False for _, met in judged)
