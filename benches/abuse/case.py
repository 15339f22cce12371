"""What an abuse case is: what is sent over how many connections, as data."""

from collections.abc import Callable
from dataclasses import dataclass

HOST = "bench.example.test"
# Of the client that behaves. It has an origin of its own: what attackers do to theirs is not the proxy's affair.
QUIET_HOST = "quiet.example.test"
EVERY_HOST = "*.example.test"
RATED_S = 26.0  # who is too slow for a least rate has had Tollgate's 20 s of grace by then


@dataclass(frozen=True)
class Script:
    """What one connection sends: `opening` once, then `repeat` as fast as it is taken, or `trickle` every so often."""

    opening: bytes | Callable[[], bytes]  # a function is asked anew for each connection
    repeat: bytes = b""
    trickle: bytes = b""
    every_s: float = 1.0
    # Closes the connection when the first octets come, or when all is sent; otherwise it stays.
    hangs_up: str = ""  # "" | "answered" | "sent"


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    group: str
    script: Callable[[], Script]  # called in the attacker: what it makes may be large
    layer: str  # h2: HTTP/2 over TLS; tls: octets to the TLS port; plain: octets to the plain port; proxy: to the one with PROXY protocol
    known_as: str = ""
    connections: int = 4
    processes: int = 2
    addresses: int = 1  # source addresses, of which each has its part of the connections
    pause_s: float = 0.1  # from a connection's end to the next
    rate: float = 0.0  # connections a second, each as soon as it is due, instead of so many at a time
    reads: bool = True
    at_least_s: float = 0.0  # deadlines of some seconds should have passed
    receive_buffer: int = 0
