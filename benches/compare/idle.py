"""What a proxy takes of memory while nothing happens: fresh, and for each idle client with an idle connection to the origin."""

import asyncio
import multiprocessing
import resource
import sys
from pathlib import Path

import memory
from measure import ROOT, Bench, start
from peers import Peer
from process import Failure, free_port
from sample import Sample
from scenario import Scenario

sys.path.append(str(ROOT / "benches"))

from idle_connections import connect, serve, settled

MIB, KIB = 2**20, 2**10
READY_S = 10
LOST_MAX = 0.01  # of the pairs: a proxy that closes what is to be idle keeps less, and is not measured


def measure(bench: Bench, peer: Peer, scenario: Scenario, round_: int) -> Sample:
    """Requests are held at an origin until all are there, so that each client's has a connection of its own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # A proxy has two of them for each pair, and some of its own.
    pairs = min(scenario.pairs, (hard - 500) // 2)
    port, ready = free_port(), multiprocessing.Event()
    origin = multiprocessing.Process(target=serve, args=(port, pairs, None, ready), daemon=True)
    origin.start()
    try:
        if not ready.wait(READY_S):
            raise Failure("the origin of idle connections does not start")
        started = start(bench, peer, scenario, port)
        try:
            fresh, full, kept = asyncio.run(_hold(started.child.pid, started.port, port, scenario.hosts[0], pairs))
            started.child.check_alive()
        except (SystemExit, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Failure(f"{peer.name} did not take {pairs:,} requests at once: {error}") from error
        finally:
            started.child.kill()
    finally:
        origin.kill()
        origin.join()
    if kept < pairs * (1 - LOST_MAX):
        raise Failure(f"{peer.name} kept {kept:,} of {pairs:,} connections to the origin")
    figures = {"fresh_mib": fresh / MIB, "full_mib": full / MIB, "kib_per_pair": (full - fresh) / pairs / KIB}
    return Sample(scenario.name, peer.name, round_, figures, detail={"pairs": pairs, "kept": kept})


async def _hold(pid: int, port: int, origin: int, host: str, pairs: int) -> tuple[int, int, int]:
    def resident() -> int:
        return memory.resident(pid)

    fresh = settled(resident, quiet_s=0)
    clients = await connect(port, pairs, "/together", host)
    full, kept = settled(resident), _connections_to(origin)
    for _, writer in clients:
        writer.transport.abort()
    return fresh, full, kept


def _connections_to(port: int) -> int:
    """Those that the origin has open."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return sum(local.endswith(f":{port:04X}") and state == "01" for _, local, _, state, *_ in fields)
