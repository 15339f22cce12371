"""Tollgate in front of the run's origin: started, watched until it serves, asked by its API, stopped or killed."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import sanity
from api import TOKEN, Api
from bench import Bench
from process import Child, Failure, free_port, wait_until
from scenario import BODY
from tenants import RATE_PER_S

READY_S = 120
# Finer than `wait_until`: what is measured takes some milliseconds.
TICK_S = 0.001


class Gateway:
    """One process after another on the same configuration."""

    def __init__(
        self, bench: Bench, name: str, *, store: Path | None = None, tenants_dir: Path | None = None,
        cache: str | None = None, core: int | None = None, workers: int | str = 1,
    ):  # fmt: skip
        self.bench, self.name, self.store = bench, f"{name}-{time.monotonic_ns()}", store
        self.port, self.admin_port = free_port(), free_port()
        self.core = core
        self.folder = bench.workspace.subfolder(self.name)
        self.path = self.folder / "tollgate.yaml"
        self.path.write_text(_config(self, bench.origin.port, tenants_dir, cache, workers))
        self.api = Api(self.admin_port)
        self.child: Child | None = None

    def start(self, host: str | None = None) -> "Gateway":
        """Starts it, and waits until it is ready (and serves `host`)."""
        self.launch()
        self.wait(host)
        return self

    def launch(self) -> None:
        self.api.close()
        # Not pinned is any core: this process, whose cores it would have, has but one.
        cores = self.bench.cores if self.core is None else [self.core]
        command = ["taskset", "-c", ",".join(map(str, cores)), str(self.bench.tollgate), "run", "--config", str(self.path)]
        self.child = self.bench.workspace.start(self.name, command, None)

    def wait(self, host: str | None = None) -> None:
        try:
            wait_until(self.is_ready, READY_S, "tollgate to be ready")
            if host:
                wait_until(lambda: self.serves(host), READY_S, f"tollgate to serve {host}")
        except Failure as failure:
            self.child.kill()
            raise Failure(f"{failure}\n{self.child.log_tail()}") from failure

    @property
    def pid(self) -> int:
        return self.child.pid

    def is_ready(self) -> bool:
        self.child.check_alive()
        return status_of(self.admin_port, "127.0.0.1", "/readyz") == 200

    def serves(self, host: str) -> bool:
        self.child.check_alive()
        return status_of(self.port, host) == 200

    def prove(self, host: str, tenant: str) -> None:
        """The right body, the right tenant told to the origin, strangers refused."""
        answer = sanity.get(self.port, host, {"X-Tenant-Id": "forged"})
        seen = answer.headers.get("x-seen-tenant") if answer else None
        if answer is None or answer.status != 200 or answer.body != BODY or seen != tenant:
            raise Failure(f"{host}: expected the body, and {tenant} at the origin; got {answer} and {seen}")
        stranger = status_of(self.port, "stranger.example.net")
        if stranger != 404:
            raise Failure(f"an unknown host was not refused with 404 but {stranger}")

    def stop(self) -> None:
        """As an operator does it: drained, and the store closed."""
        self.api.close()
        if self.child and self.child.process.returncode is None:
            self.child.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.process.wait(timeout=30)
            self.child.kill()

    def kill(self) -> None:
        """Without a word, as a crash does it."""
        self.api.close()
        os.kill(self.pid, signal.SIGKILL)
        self.child.process.wait(10)


def status_of(port: int, host: str, path: str = "/") -> int | None:
    """The status of one GET on a connection of its own; None while nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head = b""
            while len(head) < 12 and (data := peer.recv(4096)):
                head += data
            return int(head[9:12]) if len(head) >= 12 else None
    except (OSError, ValueError):
        return None


def until_200(port: int, host: str, path: str, timeout_s: float, what: str, child: Child | None = None) -> float:
    """Asks every millisecond; returns the moment of the first 200."""
    deadline = time.monotonic() + timeout_s
    while True:
        if status_of(port, host, path) == 200:
            return time.monotonic()
        if child:
            child.check_alive()
        if time.monotonic() > deadline:
            raise Failure(f"timed out after {timeout_s:g} s waiting for {what}")
        time.sleep(TICK_S)


def _config(gateway: Gateway, origin_port: int, tenants_dir: Path | None, cache: str | None, workers: int | str) -> str:
    limit = f"rate_limit: {{ rate: {RATE_PER_S}/s, burst: {RATE_PER_S} }}"
    cached = f", cache: {cache}" if cache else ""
    lines = [
        f"listeners: [ {{ bind: 127.0.0.1:{gateway.port} }} ]",
        f"admin: {{ bind: 127.0.0.1:{gateway.admin_port}, token: {TOKEN} }}",
        f"workers: {workers}",
        "limits: { max_connections_per_client: 20000 }",
        f"tenancy: {{ identify: [ domain ]{cached} }}",
        "plans:",
        f"  free: {{ {limit}, concurrency: {{ max: 1000 }} }}",
        f"  enterprise: {{ {limit}, concurrency: {{ max: 2000, weight: 20 }}, features: [reports] }}",
        f"pools: {{ shared: {{ endpoints: [http://127.0.0.1:{origin_port}] }} }}",
        "default_pool: shared",
        "routes: [ { match: { path_prefix: / } } ]",
    ]
    if gateway.store:
        lines.append(f"store: sqlite:{gateway.store}")
    if tenants_dir:
        lines.append(f"tenants_dir: {tenants_dir}")
    return "\n".join(lines) + "\n"
