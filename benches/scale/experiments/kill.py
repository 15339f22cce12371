"""SIGKILL at random moments of an import and of single changes: what was acknowledged is there, nothing is half there."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator

from api import Api
from bench import Bar, Bench, Outcome, need, say
from figures import head, row
from gateway import Gateway
from ledger import Ledger, import_batch, shape
from process import Failure
from stores import Stores
from tenants import document, identity

KILLS = 24  # of which half during imports
BATCH = 2_000
WRITERS, EACH = 4, 25
SEED = 5


def run(bench: Bench, _stores: Stores) -> Outcome:
    kills = max(4, bench.times(KILLS))
    outcome = Outcome()
    outcome.lines = head("killed during", "times", "acknowledged before", "under way", "of that, there", "lost or half there")
    for name, work in (("imports", _imports), ("single changes", _changes)):
        # A store of its own, that grows from kill to kill.
        store = bench.workspace.subfolder(f"kill-{name.split()[-1]}") / "tollgate.db"
        trial = Trial(bench, Gateway(bench, "kill", store=store, core=bench.proxy_core), random.Random(SEED))
        for _ in range(kills // 2):
            trial.once(work)
        need(trial.ledger.changes, f"nothing was acknowledged before any of {trial.kills} kills: that proves nothing")
        outcome.lines.append(
            row(name, trial.kills, f"{trial.ledger.changes:,}", trial.under_way, trial.survived, len(trial.faults))
        )
        outcome.lines += [f"  - {fault}" for fault in trial.faults[:5]]
        outcome.raw[name] = {"kills": trial.kills, "acknowledged": trial.ledger.changes, "under_way": trial.under_way, "faults": trial.faults}
        outcome.bars.append(Bar.nothing(f"tenants lost or half there after {trial.kills} kills during {name}", len(trial.faults)))
    return outcome


class Trial:
    """A gateway that is killed again and again, and what it owes."""

    def __init__(self, bench: Bench, gateway: Gateway, chance: random.Random):
        self.bench, self.gateway, self.chance = bench, gateway, chance
        self.ledger = Ledger()
        self.kills = self.under_way = self.survived = self.next = 0
        self.faults: list[str] = []
        self.refused: list[str] = []  # by writers, for the main thread to tell

    def once(self, work) -> None:
        self.gateway.start()
        stop = threading.Event()
        threads = [threading.Thread(target=self._write, args=(work, turn, stop), daemon=True) for turn in range(WRITERS)]
        acknowledged = self.ledger.changes
        for thread in threads:
            thread.start()
        # In the midst of it: some changes acknowledged (most of the times), then at any moment.
        if self.kills == 0 or self.chance.random() < 0.7:
            deadline = time.monotonic() + 30
            while self.ledger.changes == acknowledged and time.monotonic() < deadline:
                time.sleep(0.001)
        time.sleep(self.chance.uniform(0.0, 0.4))
        self.gateway.kill()
        stop.set()
        for thread in threads:
            thread.join(30)
        if any(thread.is_alive() for thread in threads):
            raise Failure("a client still waits for a gateway that was killed")
        if self.refused:
            raise Failure(self.refused[0])
        self.kills += 1
        self._judge()

    def _write(self, work, turn: int, stop: threading.Event) -> None:
        try:
            work(self, turn, stop)
        except Failure as failure:
            self.refused.append(str(failure))

    def _judge(self) -> None:
        self.gateway.start()
        try:
            found, faults = _found(self.gateway)
            faults += self.ledger.faults(found)
            faults += _unaccounted(self.gateway.api, found)
        finally:
            self.gateway.kill()
        self.under_way += len(self.ledger.under_way)
        self.survived += sum(
            found.get(tenant) != self.ledger.acknowledged.get(tenant) for tenant in self.ledger.under_way
        )
        self.ledger.settle(found)
        self.faults += faults
        say(f"kill {self.kills}: {self.ledger.changes:,} acknowledged, {len(found):,} there, {len(faults)} faults")


def _imports(trial: Trial, turn: int, stop: threading.Event) -> None:
    """One import after another, of tenants that nobody else writes; each acknowledged as a whole."""
    if turn:
        return  # a second one would wait for the first
    api = Api(trial.gateway.admin_port)
    while not stop.is_set():
        batch = import_batch(trial.next, BATCH)
        trial.next += BATCH
        for tenant, body in batch:
            trial.ledger.begins(tenant, body)
        lines = "".join(json.dumps(body) + "\n" for _, body in batch)
        try:
            said = api.import_lines(lines.encode())
        except (OSError, http.client.HTTPException):
            return  # killed: all of the batch stays under way
        if said["failed"] or said["created"] != len(batch):
            raise Failure(f"an import failed: {said}")
        for tenant, body in batch:
            trial.ledger.ends(tenant, body)


def _changes(trial: Trial, turn: int, stop: threading.Event) -> None:
    """Creations, PATCHes, suspensions and deletions of tenants that are this thread's own."""
    api, chance = Api(trial.gateway.admin_port), random.Random(f"{trial.kills}-{turn}")
    own = [turn * EACH + at for at in range(EACH)]
    # As it was left by the run before.
    now = {number: _own_state(trial, number) for number in own}
    for step in _steps():
        if stop.is_set():
            return
        number = chance.choice(own)
        tenant, before = identity(number), now[number]
        after, call = _next(number, before, f"{trial.kills}-{turn}-{step}", chance)
        trial.ledger.begins(tenant, after)
        try:
            answer = api.ask(*call)
        except (OSError, http.client.HTTPException):
            return
        if not 200 <= answer.status < 300:
            raise Failure(f"{call[0]} {call[1]}: {answer.status} {answer.body[:300]!r}")
        trial.ledger.ends(tenant, after)
        now[number] = after


def _next(number: int, before: dict | None, stamp: str, chance: random.Random) -> tuple[dict | None, tuple]:
    """What a tenant is to be, and the call that makes it so."""
    path = f"/api/v1/tenants/{identity(number)}"
    if before is None:
        after = document(number)
        return after, ("POST", "/api/v1/tenants", after)
    kind = chance.randrange(6)
    if kind == 0:
        return None, ("DELETE", path)
    if kind == 1 and before.get("state", "active") == "active":
        return {**before, "state": "suspended"}, ("POST", f"{path}/suspend", {"reason": stamp})
    if kind == 2:
        # Domains, labels and plan at once: what could be half there.
        after = {**document(number), "domains": [f"{stamp}.moved.test", f"www.{stamp}.moved.test"], "plan": "enterprise"}
        after["labels"] = {"stamp": stamp}
        return after, ("PUT", path, after)
    labels = {**before.get("labels", {}), "stamp": stamp}
    return {**before, "labels": labels}, ("PATCH", path, {"labels": {"stamp": stamp}}, "application/merge-patch+json")


def _own_state(trial: Trial, number: int) -> dict | None:
    known = trial.ledger.acknowledged.get(identity(number))
    return json.loads(known) if known else None


def _steps() -> Iterator[int]:
    step = 0
    while True:
        yield step
        step += 1


def _found(gateway: Gateway) -> tuple[dict[str, str], list[str]]:
    """All tenants as the export has them; faults where two hold the same domain."""
    found, owners, faults = {}, {}, []
    for line in gateway.api.lines("/api/v1/export"):
        tenant = json.loads(line)
        found[tenant["id"]] = shape(tenant)
        for domain in tenant.get("domains", []):
            if owners.setdefault(domain, tenant["id"]) != tenant["id"]:
                faults.append(f"{domain} is both {owners[domain]}'s and {tenant['id']}'s")
    return found, faults


def _unaccounted(api: Api, found: dict[str, str]) -> list[str]:
    """Tenants that are not what the audit log's last entry says that they have become."""
    latest: dict[str, dict | None] = {}
    cursor = ""
    while True:
        page = api.must("GET", f"/api/v1/audit?limit=1000{f'&cursor={cursor}' if cursor else ''}").json()
        for entry in page["entries"]:
            # Newest first.
            if entry.get("tenant"):
                latest.setdefault(entry["tenant"], entry.get("after"))
        cursor = page.get("next_cursor")
        if not cursor:
            break
    faults = []
    for tenant in sorted({*found, *latest}):
        logged, is_ = shape(latest.get(tenant)), found.get(tenant)
        if logged != is_:
            faults.append(f"{tenant}: {is_} is there, and the audit log says {logged}")
    return faults
