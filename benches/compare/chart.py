"""CPU time at a glance, as an SVG written by hand: a group for each scenario, a bar for each peer, whiskers from the lowest round to the highest."""

from html import escape

from peers import Peer
from rounds import Rounds, Spread
from scenario import SCENARIOS

ALT = "CPU time per request of each proxy as × of the better of Debian's HAProxy and nginx in the same round; shorter is better"

_FIGURES = {"requests": "cpu_us", "transfers": "cpu_ms"}  # the kinds that have a group
_LABELS, _WIDTH, _RIGHT = 210, 900, 60
_TOP, _ROW, _BAR, _GAP, _HEAD = 52, 17, 11, 12, 22
_NUMBER = 26  # its width
_MOST = 4.0  # beyond, a bar is cut off and its number says how long it would be
# Readable on white and on black, whichever the reader's page has.
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e } .own { font-weight: 600 } .head { font-weight: 600; font-size: 13px }
.grid { stroke: #818b98; stroke-opacity: .3 } .mark { stroke: #1a7f37; stroke-width: 1.5; stroke-dasharray: 4 3 }
.us { fill: #0969da } .them { fill: #818b98; fill-opacity: .6 } .whisker { stroke: #1f2328; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .mark { stroke: #3fb950 }
  .us { fill: #58a6ff } .whisker { stroke: #e6edf3 }
}
"""


def svg(rounds: Rounds, peers: list[Peer]) -> str:
    parts, y = [], float(_TOP)
    for scenario in SCENARIOS.values():
        figure = _FIGURES.get(scenario.kind)
        rows = [(peer, rounds.ratio(scenario.name, peer.name, figure)) for peer in peers] if figure else []
        rows = [(peer, ratio) for peer, ratio in rows if ratio]
        if not rows:
            continue
        parts.append(f'<text class="head" x="{_LABELS}" y="{y + 14:.0f}">{escape(_title(scenario))}</text>')
        y += _HEAD
        for peer, ratio in rows:
            parts += _bar(peer, ratio, y + _ROW / 2)
            y += _ROW
        y += _GAP
    height = y + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" height="{height:.0f}" role="img">',
            f"<title>{escape(ALT)}</title>",
            f"<style>{_STYLE}</style>",
            *_axis(height - 14),
            *parts,
            "</svg>",
        ]
    ) + "\n"  # fmt: skip


def _title(scenario) -> str:
    if scenario.own:
        return f"{scenario.name}, × of the same proxy's {scenario.against}"
    return f"{scenario.name}, × of the baseline's {scenario.against}" if scenario.against else scenario.name


def _x(value: float) -> float:
    return _LABELS + (_WIDTH - _LABELS - _RIGHT) * min(value, _MOST) / _MOST


def _axis(bottom: float) -> list[str]:
    parts = [f'<text class="small" x="{_LABELS}" y="18">CPU time, × of the better of HAProxy and nginx (green); shorter is better</text>']
    for step in range(int(_MOST * 2) + 1):
        x, kind = _x(step / 2), "mark" if step == 2 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{bottom:.0f}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{_TOP - 14}" text-anchor="middle">{step / 2:g}×</text>')
    return parts


def _bar(peer: Peer, ratio: Spread, y: float) -> list[str]:
    ours = peer.name == "tollgate"
    end, low, high = _x(ratio.middle), _x(ratio.low), _x(ratio.high)
    beyond = " →" if ratio.middle > _MOST else ""
    number = max(high, end) + 6
    # The line at 1 would run through it.
    if number < _x(1) + 4 < number + _NUMBER + 4:
        number = _x(1) + 5
    return [
        f'<text class="{"own" if ours else "small"}" x="{_LABELS - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(peer.label)}</text>',
        f'<rect class="{"us" if ours else "them"}" x="{_LABELS}" y="{y - _BAR / 2:.1f}" width="{end - _LABELS:.1f}" height="{_BAR}"/>',
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>',
        *(f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3:.1f}" y2="{y + 3:.1f}"/>' for x in (low, high)),
        f'<text class="small" x="{number:.1f}" y="{y + 4:.1f}">{ratio.middle:.2f}{beyond}</text>',
    ]
