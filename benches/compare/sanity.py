"""Proof before measuring that a peer does the work: right body, right tenant told, strangers refused."""

import os
from pathlib import Path

# Python has no other way to offer one suite of TLS 1.3; OpenSSL reads this as `ssl` is imported, and the peers that use it do, too.
os.environ["OPENSSL_CONF"] = str(Path(__file__).resolve().parent / "openssl.cnf")

import contextlib
import http.client
import socket
import ssl
from dataclasses import dataclass

from process import Failure, wait_until
from scenario import CONTEXT, PLAIN_HOST, Scenario


# The one that clients offer.
SUITE = "TLS_AES_128_GCM_SHA256"


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: dict[str, str]  # lower-case names


class _Tls(http.client.HTTPConnection):
    """To 127.0.0.1, under a name of which the certificate is not checked: it is the run's own."""

    def __init__(self, port: int, host: str):
        super().__init__("127.0.0.1", port, timeout=5)
        self._name = host

    def connect(self):
        super().connect()
        self.sock = _context("http/1.1").wrap_socket(self.sock, server_hostname=self._name)


def get(
    port: int, host: str, headers: dict[str, str] | None = None, tls: bool = False, path: str = "/", body: bytes | None = None
) -> Answer | None:
    """One request on a connection of its own, a GET or, with a body, a POST; None while nobody answers."""
    connection = _Tls(port, host) if tls else http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET" if body is None else "POST", path, body, headers={"Host": host, "Connection": "close", **(headers or {})})
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
    if scenario.tls:
        check_tls(port, scenario)
    if scenario.tenants:
        stranger = get(port, "stranger.example.net")
        if stranger is None or not 400 <= stranger.status < 500:
            raise Failure(f"an unknown tenant was not refused: {stranger}")


def check_features(setup) -> None:
    """Raises `Failure` unless what `peers/everything.py` turns on is seen to be on."""
    context = get(setup.port, PLAIN_HOST, path=CONTEXT)
    answer = get(setup.port, PLAIN_HOST, {"X-Tenant-Id": "forged"})
    scrape = get(setup.spare_port, "localhost", path="/metrics")
    log = setup.folder / "access.log"
    wait_until(lambda: log.exists() and log.stat().st_size > 0, 5, "a line in the access log")
    seen = {
        "a signed context": context and context.body.count(".") == 2,
        "the tenant's header": answer and answer.headers.get("x-seen-tenant") == "bench",
        "a header rule's field": answer and answer.headers.get("x-served") == "tollgate",
        "two quotas": scrape and all(f'quota="{name}"' in scrape.body for name in ("monthly", "egress")),
        "seats": scrape and 'tollgate_queue_depth{tenant="_other",pool="shared"}' in scrape.body,
    }
    missing = [what for what, there in seen.items() if not there]
    if missing:
        raise Failure(f"not everything is on: no {', no '.join(missing)}")


def check_tls(port: int, scenario: Scenario) -> None:
    """The same version, suite, signature key, resumption and ALPN everywhere, or the work is not the same."""
    context = _context("h2" if scenario.load == "h2load" and scenario.streams > 1 else "http/1.1")
    session = None
    for resumed in (False, True):
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            with context.wrap_socket(plain, server_hostname=scenario.hosts[0], session=session) as peer:
                found = (peer.version(), peer.cipher()[0], peer.selected_alpn_protocol())
                wanted = ("TLSv1.3", SUITE, "h2" if scenario.streams > 1 else "http/1.1")
                if found != wanted:
                    raise Failure(f"TLS came to {found}, not {wanted}")
                if peer.session_reused != resumed:
                    raise Failure("a ticket was not taken" if resumed else "a session was resumed that there was not")
                if scenario.streams > 1:
                    peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
                else:
                    peer.sendall(f"GET / HTTP/1.1\r\nHost: {scenario.hosts[0]}\r\n\r\n".encode())
                # Tickets come with what is read first.
                peer.recv(65536)
                session = peer.session


def _context(protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def _check_host(port: int, scenario: Scenario, index: int) -> None:
    host = scenario.hosts[index]
    # A tenant that the client claims must not reach the origin where the proxy is to name it.
    claimed = {"X-Tenant-Id": "forged"} if scenario.tenants else {}
    sent = bytes(scenario.sends) if scenario.sends else None
    answer = get(port, host, claimed, scenario.tls, scenario.path, sent)
    if answer is None or answer.status != 200 or answer.body != scenario.body:
        shown = "no answer" if answer is None else f"status {answer.status}, {len(answer.body)} bytes: {answer.body[:200]!r}"
        raise Failure(f"Host {host}: expected 200 with {len(scenario.body)} bytes, got {shown}")
    if scenario.tenants:
        seen = answer.headers.get("x-seen-tenant")
        if seen != scenario.tenants[index]:
            raise Failure(f"Host {host}: the origin saw X-Tenant-Id {seen!r}, not {scenario.tenants[index]!r}")
