"""A gateway and the endpoints of its pool: each a process, to be killed, stopped and drained."""

import http.client
import json
import os
import re
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

from process import Child, Failure, Workspace, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
HOST = "acme.app.example.com"
TOKEN = "for-this-run"
READY_S = 20


class Endpoint:
    """An origin on a port that it keeps; its ledger outlives it."""

    def __init__(self, workspace: Workspace, number: int, core: int, first: list[str], delay_ms: float):
        self.port = free_port()
        self.name = f"127.0.0.1:{self.port}"
        self.ledger = workspace.folder / f"ledger-{number}"
        self._workspace, self._core, self._first, self._delay_ms = workspace, core, first, delay_ms
        self.start()

    def start(self) -> None:
        words = [str(self.port), str(self.ledger), str(self._delay_ms)]
        command = [*self._first, sys.executable, "-B", str(HERE / "origin.py"), *words]
        self.child: Child = self._workspace.start(f"origin-{self.port}", command, self._core)
        wait_until(self._listens, READY_S, "an origin to listen")

    def kill(self) -> None:
        """Without a word, as a crash does it."""
        self.signal(signal.SIGKILL)
        self.child.process.wait(5)

    def signal(self, number: int) -> None:
        os.kill(self.child.pid, number)

    def _listens(self) -> bool:
        self.child.check_alive()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Gateway:
    """Tollgate before these endpoints."""

    def __init__(self, workspace: Workspace, command: list[str], endpoints: list[Endpoint], core: int, pool: str):
        self.port, self._admin = free_port(), free_port()
        urls = ", ".join(f"http://{endpoint.name}" for endpoint in endpoints)
        folder = workspace.subfolder(f"gateway-{self.port}")
        config = folder / "tollgate.yaml"
        config.write_text(
            f"""
listeners: [{{ bind: 127.0.0.1:{self.port} }}]
admin: {{ bind: 127.0.0.1:{self._admin}, token: {TOKEN} }}
workers: 1
limits: {{ max_connections_per_client: 20000 }}
tenancy: {{ identify: [{{ host: "{{tenant}}.app.example.com" }}] }}
plans: {{ free: {{}} }}
tenants: [{{ id: acme, plan: free }}]
pools: {{ shared: {{ endpoints: [{urls}], {pool} }} }}
default_pool: shared
routes: [{{ match: {{ path_prefix: / }} }}]
"""
        )
        self.child = workspace.start(folder.name, [*command, "run", "--config", str(config)], core)
        wait_until(self._serves, READY_S, "tollgate to serve")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of this name with these labels."""
        total = 0.0
        for line in self._ask("GET", "/metrics").decode().splitlines():
            if re.match(rf"{name}[ {{]", line) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def in_flight(self, endpoint: Endpoint) -> int:
        pool = json.loads(self._ask("GET", "/api/v1/pools/shared"))
        return next(one["in_flight"] for one in pool["endpoints"] if one["name"] == endpoint.name)

    def steer(self, what: str, endpoint: Endpoint) -> None:
        """`drain` or `undrain`."""
        self._ask("POST", f"/api/v1/pools/shared/{what}", json.dumps({"endpoint": endpoint.name}))

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        with closing(http.client.HTTPConnection("127.0.0.1", self._admin, timeout=10)) as connection:
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise Failure(f"{method} {path}: {answer.status} {text!r}")
            return text

    def _serves(self) -> bool:
        self.child.check_alive()
        with suppress(OSError, http.client.HTTPException), closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        ) as connection:
            connection.request("GET", "/first", headers={"Host": HOST})
            return connection.getresponse().status == 200
        return False
