"""The rounds of a run in a file, unrounded: pages can be made of it again."""

import json
from pathlib import Path

from process import Failure
from sample import Sample

Failures = dict[tuple[str, str], str]


def save(path: Path, condition: dict, samples: list[Sample], failures: Failures) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    failed = [{"scenario": scenario, "peer": peer, "why": why} for (scenario, peer), why in failures.items()]
    raw = {"conditions": condition, "rounds": [sample.raw() for sample in samples], "failures": failed}
    path.write_text(json.dumps(raw, indent=1) + "\n")


def load(path: Path) -> tuple[dict, list[Sample], Failures]:
    try:
        raw = json.loads(path.read_text())
        samples = [Sample(**row) for row in raw["rounds"]]
        return raw["conditions"], samples, {(one["scenario"], one["peer"]): one["why"] for one in raw["failures"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path} is not what a run has left: {error}") from error
