"""The tenants of a run: each is made from its number, so that nobody has to keep a million of them.

Every fifth has a second domain, every tenth is on `enterprise`, every third has labels, every twentieth differs from its plan.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path

SECOND_EVERY = 5
ENTERPRISE_EVERY = 10
LABELS_EVERY = 3
DIFFERS_EVERY = 20
REGIONS = ("eu", "us", "ap")
# Far above what a run asks for: a limiter's work is measured, not its refusals.
RATE_PER_S = 1_000_000
# Coprime with every number of hosts below it that is no multiple of it: a prime.
SCATTER = 2_654_435_761


def identity(number: int) -> str:
    return f"t{number:07}"


def first_domain(number: int) -> str:
    return f"t{number:07}.customers.test"


def second_domain(number: int) -> str:
    return f"shop-{number:07}.example.test"


def domains(number: int) -> list[str]:
    return [first_domain(number)] + ([second_domain(number)] if number % SECOND_EVERY == 0 else [])


def document(number: int) -> dict:
    """The tenant as the API takes it."""
    tenant: dict = {
        "id": identity(number),
        "plan": "enterprise" if number % ENTERPRISE_EVERY == 3 else "free",
        "domains": domains(number),
    }
    if number % LABELS_EVERY == 0:
        tenant["labels"] = {"region": REGIONS[number // LABELS_EVERY % len(REGIONS)], "account": f"a{number // 7}"}
    if number % DIFFERS_EVERY == 7:
        tenant["limits"] = {"rate_limit": {"rate": f"{2 * RATE_PER_S}/s", "burst": 2 * RATE_PER_S}}
        tenant["request_headers"] = {"set": {"X-Region": "eu"}}
    return tenant


def line(number: int) -> str:
    """The tenant as a line of NDJSON, its end included."""
    return json.dumps(document(number), separators=(",", ":")) + "\n"


def file_text(number: int, mark: str | None = None) -> str:
    """The tenant as its file in `tenants_dir`; `mark` is what its answers are to carry in X-Scale."""
    tenant = document(number)
    del tenant["id"]
    if mark is not None:
        tenant["response_headers"] = {"set": {"X-Scale": mark}}
    # A key a line, each value in JSON, which is YAML.
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in tenant.items())


def text_bytes(value: object) -> int:
    """All texts of a document: what whoever keeps it whole can't do without."""
    if isinstance(value, dict):
        return sum(text_bytes(key) + text_bytes(one) for key, one in value.items())
    if isinstance(value, list):
        return sum(map(text_bytes, value))
    return len(value) if isinstance(value, str) else 0


def write_file(folder: Path, number: int, mark: str | None = None) -> None:
    """Writes the tenant's file as editors do: beside it first, then renamed over it."""
    path = folder / f"{identity(number)}.yaml"
    # A name that no loader takes for a tenant.
    beside = folder / f".{identity(number)}.new"
    beside.write_text(file_text(number, mark))
    beside.replace(path)


@dataclass(frozen=True)
class Population:
    """Tenants 0 to `count`, and all their hosts: the first domains, then the second ones."""

    count: int

    @property
    def hosts(self) -> int:
        return self.count + -(-self.count // SECOND_EVERY)

    def host(self, index: int) -> str:
        if index < self.count:
            return first_domain(index)
        return second_domain((index - self.count) * SECOND_EVERY)

    def owner(self, index: int) -> int:
        """The tenant's number whose host it is."""
        return index if index < self.count else (index - self.count) * SECOND_EVERY

    def scattered(self, rank: int, total: int | None = None) -> int:
        """The host that has this rank: neighbours in popularity are no neighbours in the store."""
        total = total or self.hosts
        return rank * multiplier(total) % total

    def lines(self) -> Iterator[str]:
        return (line(number) for number in range(self.count))

    def write_ndjson(self, path: Path) -> None:
        with path.open("w", encoding="ascii", buffering=1 << 20) as out:
            out.writelines(self.lines())

    def write_files(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.count):
            (folder / f"{identity(number)}.yaml").write_text(file_text(number))


def multiplier(total: int) -> int:
    """By which ranks are multiplied, below 2^32 and so exact in a double for up to two million hosts."""
    factor = SCATTER % total or 1
    while gcd(factor, total) != 1:
        factor += 1
    return factor
