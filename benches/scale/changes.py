"""Changes to tenants through the API at a constant rate, from threads of their own."""

import http.client
import threading
import time

from api import Api
from tenants import document, identity

# One at a time each: enough that a flush which takes some milliseconds doesn't hold the rate down.
WRITERS = 4


class Changes:
    """Whole in a `with`: PATCH and PUT in turn, each of a tenant of its own, until it is left."""

    def __init__(self, admin_port: int, numbers: range, per_minute: float):
        self._done = threading.Event()
        self._writers = [
            Writer(admin_port, numbers[turn::WRITERS], 60 * WRITERS / per_minute, turn, self._done) for turn in range(WRITERS)
        ]
        self._began = self._ended = 0.0

    @property
    def made(self) -> int:
        """Changes that were acknowledged."""
        return sum(writer.made for writer in self._writers)

    @property
    def failures(self) -> list[str]:
        return [failure for writer in self._writers for failure in writer.failures]

    @property
    def slowest_s(self) -> float:
        return max(writer.slowest_s for writer in self._writers)

    @property
    def per_minute(self) -> float:
        """Acknowledged changes over the time that they took."""
        return self.made * 60 / max(1e-9, self._ended - self._began)

    def __enter__(self) -> "Changes":
        self._began = time.monotonic()
        for writer in self._writers:
            writer.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._done.set()
        for writer in self._writers:
            writer.join(40)
        self._ended = time.monotonic()


class Writer(threading.Thread):
    def __init__(self, admin_port: int, numbers: range, gap_s: float, turn: int, done: threading.Event):
        super().__init__(daemon=True)
        self._api = Api(admin_port)
        self._numbers, self._gap_s, self._turn, self._done = numbers, gap_s, turn, done
        self.made = 0
        self.failures: list[str] = []
        self.slowest_s = 0.0

    def run(self) -> None:
        step, due = 0, time.monotonic() + self._gap_s * self._turn / WRITERS
        # A stamp that no other run of changes has: an equal document would change nothing.
        stamp = f"{time.monotonic_ns()}-{self._turn}"
        while not self._done.wait(max(0.0, due - time.monotonic())):
            began = time.monotonic()
            try:
                self._change(self._numbers[step % len(self._numbers)], step, f"{stamp}-{step}")
            except (OSError, http.client.HTTPException) as failure:
                self.failures.append(repr(failure))
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            step += 1
            # Late ones are made up for, so that the rate is kept.
            due += self._gap_s
        self._api.close()

    def _change(self, number: int, step: int, stamp: str) -> None:
        path = f"/api/v1/tenants/{identity(number)}"
        if step % 2:
            tenant = document(number)
            tenant["labels"] = {**tenant.get("labels", {}), "stamp": stamp}
            answer = self._api.ask("PUT", path, tenant)
        else:
            answer = self._api.ask("PATCH", path, {"labels": {"stamp": stamp}}, "application/merge-patch+json")
        if answer.status == 200:
            self.made += 1
        else:
            self.failures.append(f"{answer.status} {answer.body[:200]!r}")
