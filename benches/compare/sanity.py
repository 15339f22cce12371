"""Proof before measuring that a peer does the work: right body, right tenant told, strangers refused."""

import contextlib
import http.client
from dataclasses import dataclass

from process import Failure
from scenario import BODY, Scenario


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: dict[str, str]  # lower-case names


def get(port: int, host: str, headers: dict[str, str] | None = None) -> Answer | None:
    """One GET on a connection of its own; None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/", headers={"Host": host, "Connection": "close", **(headers or {})})
            response = connection.getresponse()
            body = response.read().decode("latin-1")
        except (OSError, http.client.HTTPException):
            return None
        return Answer(response.status, body, {name.lower(): value for name, value in response.getheaders()})


def check(port: int, scenario: Scenario) -> None:
    """Raises `Failure` unless the peer on `port` does what `scenario` asks."""
    # The first, the last and some between: a peer that knows only one tenant must not pass.
    for index in range(0, len(scenario.hosts), max(1, len(scenario.hosts) // 7)):
        _check_host(port, scenario, index)
    _check_host(port, scenario, len(scenario.hosts) - 1)
    if scenario.tenants:
        stranger = get(port, "stranger.example.net")
        if stranger is None or not 400 <= stranger.status < 500:
            raise Failure(f"an unknown tenant was not refused: {stranger}")


def _check_host(port: int, scenario: Scenario, index: int) -> None:
    host = scenario.hosts[index]
    # A tenant that the client claims must not reach the origin where the proxy is to name it.
    claimed = {"X-Tenant-Id": "forged"} if scenario.tenants else {}
    answer = get(port, host, claimed)
    if answer is None or answer.status != 200 or answer.body != BODY:
        shown = "no answer" if answer is None else f"status {answer.status}, {len(answer.body)} bytes: {answer.body[:200]!r}"
        raise Failure(f"Host {host}: expected 200 with {len(BODY)} bytes, got {shown}")
    if scenario.tenants:
        seen = answer.headers.get("x-seen-tenant")
        if seen != scenario.tenants[index]:
            raise Failure(f"Host {host}: the origin saw X-Tenant-Id {seen!r}, not {scenario.tenants[index]!r}")
