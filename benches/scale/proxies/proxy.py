"""What a proxy of the comparison is: how it starts with so many tenants, and how one more is made known to it."""

import time
from dataclasses import dataclass
from pathlib import Path

import sanity
from bench import Bench
from gateway import status_of
from peers.peer import Peer
from process import Child, Failure, free_port, wait_until
from scenario import BODY
from tenants import Population, first_domain, identity

START_S = 180


@dataclass
class Setup:
    """One start of a proxy."""

    bench: Bench
    population: Population
    folder: Path
    port: int

    @property
    def origin_port(self) -> int:
        return self.bench.origin.port


class Proxy(Peer):
    """A proxy in its best configuration known to us for many tenants: host to tenant, X-Tenant-Id, a rate limit each."""

    key: str
    title: str
    # What is lost, or different, in how it takes a new tenant.
    note = ""

    def prepare(self, setup: Setup) -> list[str]:
        """Writes the configuration; returns the foreground command. One runs at a time of each proxy."""
        raise NotImplementedError

    def add(self, running: "Running", number: int) -> None:
        """Does what an operator's tooling does for a new tenant; returns when its part is done."""
        raise NotImplementedError

    def ready(self, running: "Running", number: int) -> None:
        """Makes what `add` will need beforehand, so that its own work isn't counted."""


class Running:
    """A proxy with its tenants."""

    def __init__(self, bench: Bench, proxy: Proxy, population: Population):
        self.bench, self.proxy, self.population = bench, proxy, population
        folder = bench.workspace.subfolder(f"{proxy.key}-{population.count}-{time.monotonic_ns()}")
        self.setup = Setup(bench, population, folder, free_port())
        self.command = proxy.prepare(self.setup)
        self.child: Child | None = None

    @property
    def port(self) -> int:
        return self.setup.port

    @property
    def pid(self) -> int:
        return self.child.pid

    def start(self) -> float:
        """Seconds from exec to the first 200 of the last tenant."""
        began = time.monotonic()
        self.child = self.bench.workspace.start(
            self.setup.folder.name, self.command, self.bench.proxy_core, self.proxy.env
        )
        last = self.population.host(self.population.count - 1)

        def serves() -> bool:
            self.child.check_alive()
            return status_of(self.port, last) == 200

        try:
            deadline = began + START_S
            while not serves():
                if time.monotonic() > deadline:
                    raise Failure(f"{self.proxy.key} did not serve {last} in {START_S} s")
                time.sleep(0.001)
        except Failure as failure:
            self.child.kill()
            raise Failure(f"{failure}\n{self.child.log_tail()}") from failure
        return time.monotonic() - began

    def prove(self) -> None:
        """Raises `Failure` unless hosts all over the population get their own tenant, and strangers nothing."""
        hosts = self.population.hosts
        for index in {0, hosts // 3, hosts // 2, hosts - 1}:
            host, tenant = self.population.host(index), identity(self.population.owner(index))
            answer = sanity.get(self.port, host, {"X-Tenant-Id": "forged"})
            seen = answer.headers.get("x-seen-tenant") if answer else None
            if answer is None or answer.status != 200 or answer.body != BODY or seen != tenant:
                raise Failure(f"{self.proxy.key}: {host}: expected the body, and {tenant} at the origin; got {answer}")
        stranger = status_of(self.port, "stranger.example.net")
        if stranger is None or not 400 <= stranger < 500:
            raise Failure(f"{self.proxy.key}: an unknown tenant was not refused but got {stranger}")

    def add(self, number: int, timeout_s: float = 60) -> float:
        """Makes a tenant known; seconds from the first byte of that to its first 200."""
        host = first_domain(number)
        self.proxy.ready(self, number)
        if self.serves(host):
            raise Failure(f"{self.proxy.key} knew {host} before it was told of it")
        began = time.monotonic()
        self.proxy.add(self, number)
        deadline = began + timeout_s
        while not self.serves(host):
            if time.monotonic() > deadline:
                raise Failure(f"{self.proxy.key} did not serve a new tenant in {timeout_s:g} s")
            time.sleep(0.0005)
        return time.monotonic() - began

    def serves(self, host: str) -> bool:
        return status_of(self.port, host) == 200

    def restart(self) -> None:
        self.child.kill()
        wait_until(lambda: status_of(self.port, "any.test") is None, 10, f"{self.proxy.key} to be gone")
        self.start()

    def kill(self) -> None:
        if self.child:
            self.child.kill()
