"""The result at a glance, as an SVG written by hand: a row for each proxy, a panel for each question."""

from dataclasses import dataclass
from html import escape

from figures import Figure, Figures, quiet_lost, quiet_ratio, seats, used
from proxies import Configured

ALT = (
    "A row for each proxy: the quiet tenants' p99 under attack over alone, how much of the origin was used "
    "meanwhile, and how two greedy tenants with 10 ms and 100 ms requests shared it"
)

_LABELS, _WIDTH, _ROW, _TOP, _BAR = 330, 1090, 30, 74, 14
# Readable on white and on black, whichever the reader's page has.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11.5px; fill: #59636e } .on { font-size: 11.5px; fill: #ffffff } .own { font-weight: 600 } .head { font-weight: 600 }
.grid { stroke: #818b98; stroke-opacity: .35 } .mark { stroke: #1a7f37; stroke-width: 1.5; stroke-dasharray: 4 3 }
.one { fill: #0969da } .two { fill: #bc4c00 } .rest { fill: #818b98; fill-opacity: .22 } .dot { fill: none; stroke: #bc4c00; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .on { fill: #0d1117 } .small { fill: #9198a1 } .mark { stroke: #3fb950 }
  .one { fill: #58a6ff } .two { fill: #f0883e } .dot { stroke: #f0883e }
}
"""


@dataclass(frozen=True)
class _Panel:
    left: int
    width: int
    most: float

    def x(self, value: float) -> float:
        return self.left + self.width * min(value, self.most) / self.most


def svg(figures: Figures, proxies: list[Configured]) -> str:
    jittered, constant = quiet_ratio("attacked-jittered", "alone-jittered"), quiet_ratio("attacked", "alone")
    ratios = [figures.median(p.key, figure) or 1 for p in proxies for figure in (jittered, constant)]
    panels = (
        _Panel(_LABELS, 270, max(4.0, max(ratios))),
        _Panel(_LABELS + 310, 160, 1.0),
        _Panel(_LABELS + 510, 210, 1.0),
    )
    bottom = _TOP + _ROW * len(proxies)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 46}" width="{_WIDTH}" height="{bottom + 46}" role="img">',
        f"<title>{escape(ALT)}</title>",
        f"<style>{_STYLE}</style>",
        *_frame(panels, bottom),
    ]
    for number, proxy in enumerate(proxies):
        y = _TOP + _ROW * number + _ROW / 2
        title = escape(proxy.title.replace("`", "").replace("*", ""))
        own = ' class="own"' if proxy.key == "tollgate" else ""
        parts.append(f'<text x="{_LABELS - 14}" y="{y + 4}" text-anchor="end"{own}>{title}</text>')
        parts += _ratio(figures, proxy.key, panels[0], y, jittered, constant)
        parts += _used(figures, proxy.key, panels[1], y)
        parts += _split(figures, proxy.key, panels[2], y)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(panels: tuple[_Panel, ...], bottom: int) -> list[str]:
    latency, use, split = panels
    parts = [
        *_head(latency, "Quiet p99 under attack, × alone", "bar: times ±50 %, ring: constant; lower is better"),
        *_head(use, "Origin used meanwhile", "higher is better"),
        *_head(split, "Two greedy tenants", "blue: 10 ms requests, orange: 100 ms"),
    ]
    step = 1 if latency.most <= 6 else 2
    ticks = [(latency, float(at), f"{at}×") for at in range(0, int(latency.most) + 1, step)]
    ticks += [(panel, at / 100, f"{at} %") for panel in (use, split) for at in (0, 50, 100)]
    for panel, at, text in ticks:
        x = panel.x(at)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    # What a fair and work-conserving proxy would reach.
    for panel, ideal in ((latency, 1.0), (use, 1.0), (split, 0.5)):
        x = panel.x(ideal)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{bottom}"/>')
    x = latency.left
    parts.append(f'<text class="small" x="{x}" y="{bottom + 36}">green: no wait, no idle worker, equal shares</text>')
    return parts


def _head(panel: _Panel, title: str, below: str) -> list[str]:
    return [
        f'<text class="head" x="{panel.left}" y="30">{escape(title)}</text>',
        f'<text class="small" x="{panel.left}" y="48">{escape(below)}</text>',
    ]


def _ratio(figures: Figures, key: str, panel: _Panel, y: float, jittered: Figure, constant: Figure) -> list[str]:
    parts = []
    bar, ring = figures.median(key, jittered), figures.median(key, constant)
    if bar is not None:
        parts.append(_bar("one", panel.x(0), panel.x(bar), y))
    if ring is not None:
        parts.append(f'<circle class="dot" cx="{panel.x(ring):.1f}" cy="{y}" r="5"/>')
    lost = figures.median(key, quiet_lost("attacked", "attacked-jittered"))
    if lost:
        parts.append(f'<text class="on" x="{panel.left + 6}" y="{y + 4}">{100 * lost:.0f} % refused</text>')
    return parts or [_missing(panel, y)]


def _used(figures: Figures, key: str, panel: _Panel, y: float) -> list[str]:
    value = figures.median(key, used("attacked-jittered"))
    if value is None:
        return [_missing(panel, y)]
    return [_bar("rest", panel.x(0), panel.x(1), y), _bar("one", panel.x(0), panel.x(value), y)]


def _split(figures: Figures, key: str, panel: _Panel, y: float) -> list[str]:
    short = figures.median(key, seats("durations", "short"))
    long = figures.median(key, seats("durations", "long"))
    if short is None or long is None:
        return [_missing(panel, y)]
    return [
        _bar("rest", panel.x(0), panel.x(1), y),
        _bar("one", panel.x(0), panel.x(short), y),
        _bar("two", panel.x(short), panel.x(short + long), y),
    ]


def _bar(kind: str, left: float, right: float, y: float) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{y - _BAR / 2}" width="{max(0.0, right - left):.1f}" height="{_BAR}"/>'


def _missing(panel: _Panel, y: float) -> str:
    return f'<text class="small" x="{panel.left + 6}" y="{y + 4}">not measured</text>'
