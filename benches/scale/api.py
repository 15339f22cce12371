"""The admin API as a client sees it: one kept-alive connection, JSON in and out, every answer awaited."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from process import Failure

TOKEN = "for-this-run"
PATIENCE_S = 30
# A connection that was idle for longer may have been closed by the gateway.
IDLE_S = 1


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body) if self.body else {}


class Api:
    """Not for several threads: each takes its own."""

    def __init__(self, port: int, patience_s: float = PATIENCE_S):
        self.port = port
        self._patience_s = patience_s
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Answer:
        """One request; any status is an answer, a connection that breaks is an `OSError` or `HTTPException`."""
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Tollgate-Actor": "scale"}
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if time.monotonic() - self._used > IDLE_S:
            self.close()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._patience_s)
            self._connection.connect()
            # Head and body are two writes: the second must not wait for the first one's acknowledgement.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            told = Answer(answer.status, answer.read())
            self._used = time.monotonic()
            return told
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def must(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Answer:
        """The same, where anything but success is the end of the measurement."""
        answer = self.ask(method, path, body, kind)
        if not 200 <= answer.status < 300:
            raise Failure(f"{method} {path}: {answer.status} {answer.body[:400].decode(errors='replace')}")
        return answer

    def lines(self, path: str) -> Iterator[bytes]:
        """An NDJSON answer, line by line as it comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._patience_s)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise Failure(f"GET {path}: {answer.status} {answer.read()[:400]!r}")
            yield from answer
        finally:
            connection.close()

    def import_lines(self, lines: bytes, dry_run: bool = False) -> dict:
        """NDJSON through `/import`; returns what the gateway says of it."""
        path = f"/api/v1/import?mode=upsert&dry_run={'true' if dry_run else 'false'}"
        return self.must("POST", path, lines, "application/x-ndjson").json()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of this name (a counter's with or without `_total`) with these labels."""
        total = 0.0
        for line in self.must("GET", "/metrics").body.decode().splitlines():
            if re.match(rf"{name}(_total)?[ {{]", line) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


def hit_ratio(api: Api, before: tuple[float, float]) -> float:
    """Of the cache's look-ups since `before` (see `lookups`)."""
    hits, misses = (now - then for now, then in zip(lookups(api), before))
    return hits / (hits + misses) if hits + misses else 0.0


def loads(api: Api) -> tuple[float, float]:
    """How often the cache has asked the store, and how long that took in all, in seconds."""
    name = "tollgate_tenant_cache_load_duration_seconds"
    return api.metric(f"{name}_count"), api.metric(f"{name}_sum")


def lookups(api: Api) -> tuple[float, float]:
    return api.metric("tollgate_tenant_cache_hits"), api.metric("tollgate_tenant_cache_misses")
