"""Changes to tenants through the API at a constant rate, from a thread of their own."""

import http.client
import threading
import time

from api import Api
from tenants import document, identity


class Changes:
    """Whole in a `with`: PATCH and PUT in turn, each of a tenant of its own, until it is left."""

    def __init__(self, admin_port: int, numbers: range, per_minute: float):
        self._api = Api(admin_port)
        self._numbers, self._gap_s = numbers, 60 / per_minute
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.made = self.failed = 0
        self.slowest_s = 0.0
        self.first_failure = ""
        self.began = self.ended = 0.0

    @property
    def per_minute(self) -> float:
        """Changes that were acknowledged, over the time that it took."""
        return self.made * 60 / max(1e-9, self.ended - self.began)

    def __enter__(self) -> "Changes":
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._done.set()
        self._thread.join(40)
        self.ended = time.monotonic()
        self._api.close()

    def _run(self) -> None:
        turn, due = 0, time.monotonic()
        # A stamp that no other run of changes has: an equal document would change nothing.
        stamp = time.monotonic_ns()
        while not self._done.is_set():
            number = self._numbers[turn % len(self._numbers)]
            began = time.monotonic()
            try:
                self._change(number, turn, f"{stamp}-{turn}")
            except (OSError, http.client.HTTPException) as failure:
                self._fail(repr(failure))
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            turn += 1
            due += self._gap_s
            # Late ones are made up for, so that the rate is kept.
            self._done.wait(max(0.0, due - time.monotonic()))

    def _change(self, number: int, turn: int, stamp: str) -> None:
        path = f"/api/v1/tenants/{identity(number)}"
        if turn % 2:
            tenant = document(number)
            tenant["labels"] = {**tenant.get("labels", {}), "stamp": stamp}
            answer = self._api.ask("PUT", path, tenant)
        else:
            answer = self._api.ask("PATCH", path, {"labels": {"stamp": stamp}}, "application/merge-patch+json")
        if answer.status == 200:
            self.made += 1
        else:
            self._fail(f"{answer.status} {answer.body[:200]!r}")

    def _fail(self, what: str) -> None:
        self.failed += 1
        self.first_failure = self.first_failure or what
