"""The few lines that the project's README shows."""

from block import Block
from peers import Peer
from rounds import Rounds

BLOCK = Block("compare")
_SHOWN = (("plain", "plain"), ("tenants", "1,000 tenants with limits"), ("https", "HTTPS"), ("h2", "HTTP/2"))


def markdown(rounds: Rounds, peers: list[Peer], versions: dict[str, str]) -> str:
    titles = [f"{title}: CPU µs / request | ×" for _, title in _SHOWN]
    lines = [f"| | {' | '.join(titles)} |", "|---" * (1 + 2 * len(_SHOWN)) + "|"]
    for peer in peers:
        cells = []
        for name, _ in _SHOWN:
            spread, ratio = rounds.spread(name, peer.name, "cpu_us"), rounds.ratio(name, peer.name, "cpu_us")
            cells += [f"{spread.middle:.1f}" if spread else "–", f"{ratio.middle:.2f}" if ratio else "–"]
        if peer.name == "tollgate":
            name = peer.label
        else:
            name = f"{peer.label.split(' (')[0]} {'.'.join(versions[peer.name].split('.')[:2])}"
            # What stands in no note here must not pass for the version's speed.
            name += " (built for size)" if "wheel" in peer.label else ""
        lines.append(f"| {name} | {' | '.join(cells)} |")
    everything = rounds.ratio("everything", "tollgate", "cpu_us")
    if everything:
        lines += [
            "",
            f"With everything on (two quotas, a fair seat, three header rules, the access log, a signed context, metrics) Tollgate takes "
            f"{everything.middle:.2f} × ({everything.low:.2f}–{everything.high:.2f}) of what the better of HAProxy and nginx takes for `plain`.",
        ]
    return "\n".join(lines) + "\n"
