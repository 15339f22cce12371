"""A run's bench, and a fresh process of a peer on it."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import sanity
from certificate import Certificate
from origin import Origin
from peers import ROOT, Peer, Setup
from process import Child, Failure, Workspace, free_port, wait_until
from scenario import Scenario

READY_S = 60  # some need seconds for a thousand tenants
PRIORITY = 10  # of any above 0


@dataclass
class Bench:
    """What stays the same for every measurement of a run."""

    workspace: Workspace
    origin: Origin
    proxy_core: int
    load_core: int
    connections: int
    duration_s: int | None = None  # in the place of what a scenario has
    warmup_s: int | None = None
    engine_path: Path | None = None  # of the open loop; built when it is first needed
    realtime: bool = False  # for origin and open loop

    def certificate(self) -> Certificate:
        """The one that all measurements of the run show."""
        return Certificate.of(self.workspace.folder)

    def seconds(self, scenario: Scenario) -> int:
        return self.duration_s or scenario.seconds

    def warmup(self, scenario: Scenario) -> int:
        return scenario.warmup_s if self.warmup_s is None else self.warmup_s

    @property
    def first(self) -> list[str]:
        """The words before an open loop's command: how it is scheduled."""
        return ["chrt", "-f", str(PRIORITY)] if self.realtime else []

    def engine(self) -> Path:
        if self.engine_path is None:
            # Built by the noisy-neighbour benchmark, whose load it is.
            sys.path.append(str(ROOT / "benches" / "noisy_neighbour"))
            from engine import build

            self.engine_path = build().resolve()
        return self.engine_path


def may_be_realtime() -> bool:
    return subprocess.run(["chrt", "-f", str(PRIORITY), "true"], capture_output=True).returncode == 0


@dataclass(frozen=True)
class Started:
    """A peer that serves."""

    child: Child
    setup: Setup

    @property
    def port(self) -> int:
        return self.setup.port


def start(bench: Bench, peer: Peer, scenario: Scenario, origin_port: int | None = None) -> Started:
    """Starts `peer` and waits until its first tenant is served."""
    binary = peer.binary()
    if binary is None:
        raise Failure(f"{peer.name} is not installed")
    folder = bench.workspace.subfolder(f"{peer.name}-{scenario.name}-{time.monotonic_ns()}")
    certificate = bench.certificate() if scenario.tls else None
    setup = Setup(scenario, folder, free_port(), origin_port or bench.origin.port_of(scenario), free_port(), certificate)
    child = bench.workspace.start(folder.name, peer.command(binary, setup), bench.proxy_core, peer.env)

    def serves() -> bool:
        child.check_alive()
        answer = sanity.get(setup.port, scenario.hosts[0], tls=scenario.tls)
        return answer is not None and answer.status == 200

    try:
        wait_until(serves, READY_S, f"{peer.name} to serve {scenario.hosts[0]}")
    except Failure as failure:
        child.kill()
        raise Failure(f"{failure}\n{child.log_tail()}") from failure
    return Started(child, setup)
