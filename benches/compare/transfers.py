"""Bodies of a GiB, one after another: CPU time of each, and whether memory stays what it was."""

import memory
import transfer
from clocks import Clocks, Spent
from measure import Bench, start
from peers import Peer
from sample import Sample
from scenario import DOWN_1G, Scenario

TIMES = 3
MIB = 2**20


def measure(bench: Bench, peer: Peer, scenario: Scenario, round_: int) -> Sample:
    """The client proves each body: it, or the origin, counts its octets."""
    file = None if scenario.path == DOWN_1G.path else bench.origin.gib
    started = start(bench, peer, scenario)
    try:
        memory.forget_peak(started.child.pid)
        resident = memory.resident(started.child.pid)
        before = Clocks(bench, started.child)
        told = transfer.run(started.port, scenario, TIMES, file, bench.load_core)
        spent = Spent(before, Clocks(bench, started.child), told["cpu_s"])
        grown = memory.peak(started.child.pid) - resident
        started.child.check_alive()
    finally:
        started.child.kill()
    figures = {
        "cpu_ms": spent.proxy.total_s * 1e3 / TIMES,
        "cpu_user_ms": spent.proxy.user_s * 1e3 / TIMES,
        "gib_per_s": TIMES / sum(told["seconds"]),
        "grown_mib": max(0, grown) / MIB,
        "proxy_core_used": spent.proxy.total_s / spent.wall_s,
    }
    return Sample(scenario.name, peer.name, round_, figures, told["wrong"], detail=told, **spent.noise())
