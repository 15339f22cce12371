"""How the other side ended a connection, and what it had answered before."""

import collections
from statistics import median

import frames
import hellos

ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure", 47: "illegal_parameter",
    50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 80: "internal_error", 100: "no_renegotiation", 112: "unrecognized_name",
    120: "no_application_protocol",
}  # fmt: skip


class Http2:
    """Frames: which GOAWAY, how many streams were reset."""

    def __init__(self):
        self._reader = frames.Reader()
        self.goaway = None
        self.seen = collections.Counter()

    def feed(self, data: bytes) -> None:
        for kind, _flags, _stream, payload in self._reader.feed(data):
            if kind == frames.GOAWAY:
                # The last is what counts: a first one may only say that the end is near.
                self.goaway = frames.error_name(int.from_bytes(payload[4:8], "big"))
            elif kind == frames.RST_STREAM:
                self.seen["RST_STREAM " + frames.error_name(int.from_bytes(payload[:4], "big"))] += 1
            elif kind == frames.HEADERS:
                self.seen["answers"] += 1

    def how(self, otherwise: str, still: bool = False) -> str:
        if self.goaway is None:
            return otherwise
        return f"GOAWAY {self.goaway}" + (", held" if still else "")

    def add_to(self, total: collections.Counter) -> None:
        total.update(self.seen)


class Http1:
    """Statuses, as far as each begins what was received at once or follows another's end."""

    def __init__(self):
        self.statuses = collections.Counter()
        self.last = None
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        at = data.find(b"HTTP/1.1 ")
        while at >= 0 and len(data) >= at + 12:
            self.last = data[at + 9 : at + 12].decode("latin-1")
            self.statuses[self.last] += 1
            at = data.find(b"HTTP/1.1 ", at + 12)
        self._rest = data[-11:] if at < 0 else data[at:]
        if b"HTTP/1.1 " in self._rest and len(self._rest) >= 12:
            self._rest = b""

    def how(self, otherwise: str, still: bool = False) -> str:
        return f"{self.last}, {otherwise}" if self.last else otherwise

    def add_to(self, total: collections.Counter) -> None:
        total.update(self.statuses)


class Records:
    """TLS records: which alert, if one comes before all is encrypted."""

    def __init__(self):
        self.alert = None
        self._first = b""

    def feed(self, data: bytes) -> None:
        self._first = (self._first + data)[:4096]
        at = 0
        while len(self._first) >= at + 7:
            kind, length = self._first[at], int.from_bytes(self._first[at + 3 : at + 5], "big")
            if kind == hellos.ALERT_RECORD and length == 2:
                code = self._first[at + 6]
                self.alert = ALERTS.get(code, f"alert {code}")
            at += 5 + length

    def how(self, otherwise: str, still: bool = False) -> str:
        return f"alert {self.alert}" + (", held" if still else "") if self.alert else otherwise

    def add_to(self, total: collections.Counter) -> None:
        pass


class Endings:
    """Connections by how they ended: how many, after how long, and how much of the attack had been sent by then."""

    def __init__(self):
        self._by: dict[str, list[tuple[float, int]]] = collections.defaultdict(list)

    def note(self, how: str, after_s: float, sent: int) -> None:
        self._by[how].append((after_s, sent))

    def told(self) -> dict[str, dict]:
        return {
            how: {"count": len(each), "after_s": median(s for s, _ in each), "sent": median(sent for _, sent in each)}
            for how, each in self._by.items()
        }


def merged(parts: list[dict[str, dict]]) -> dict[str, dict]:
    """What several processes told, together; medians by the largest part's."""
    total: dict[str, dict] = {}
    for part in parts:
        for how, one in part.items():
            known = total.get(how)
            if known is None:
                total[how] = dict(one)
            else:
                largest = one if one["count"] > known["count"] else known
                total[how] = {**largest, "count": known["count"] + one["count"]}
    return dict(sorted(total.items(), key=lambda item: -item[1]["count"]))
