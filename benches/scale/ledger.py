"""What a gateway has acknowledged and what was under way when it was killed, and whether the store agrees."""

import json
import threading
from dataclasses import dataclass, field

from tenants import document, identity

# In what a tenant's document says of itself, this is what is compared.
KEYS = ("plan", "state", "domains", "labels", "limits", "request_headers")


def shape(tenant: dict | None) -> str | None:
    """A tenant as it compares: the same whatever the order of its keys and domains, and what it says by leaving it out."""
    if tenant is None:
        return None
    kept = {key: tenant[key] for key in KEYS if tenant.get(key) not in (None, {}, [])}
    kept.setdefault("state", "active")
    kept["domains"] = sorted(kept.get("domains", []))
    return json.dumps(kept, sort_keys=True)


@dataclass
class Ledger:
    """Shapes by id; one writer each, any number of threads."""

    acknowledged: dict[str, str | None] = field(default_factory=dict)
    # What may be there as well, since nobody knows whether it got that far. Never a thing in between.
    under_way: dict[str, set[str | None]] = field(default_factory=dict)
    changes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begins(self, tenant: str, to: dict | None) -> None:
        with self._lock:
            self.under_way.setdefault(tenant, set()).add(shape(to))

    def ends(self, tenant: str, to: dict | None) -> None:
        with self._lock:
            self.acknowledged[tenant] = shape(to)
            self.under_way.pop(tenant, None)
            self.changes += 1

    def settle(self, found: dict[str, str]) -> None:
        """What was under way and turned out to be there is the truth from now on."""
        for tenant in self.under_way:
            self.acknowledged[tenant] = found.get(tenant)
        self.under_way.clear()

    def faults(self, found: dict[str, str]) -> list[str]:
        """What the store has that it should not, and the other way round; `found` holds shapes by id."""
        wrong = []
        for tenant in sorted({*self.acknowledged, *self.under_way, *found}):
            allowed = {self.acknowledged.get(tenant), *self.under_way.get(tenant, set())}
            if found.get(tenant) not in allowed:
                wrong.append(f"{tenant}: {found.get(tenant)} is there, not {' or '.join(map(str, allowed))}")
        return wrong


def import_batch(first: int, count: int) -> list[tuple[str, dict]]:
    return [(identity(number), document(number)) for number in range(first, first + count)]
