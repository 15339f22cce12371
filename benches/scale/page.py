"""What was found, as the README shows it: the bars first, then each experiment's table."""

import json
from dataclasses import asdict
from pathlib import Path

import machine
from bench import Bar, Outcome
from block import Block
from figures import head, row
from process import Failure

BLOCK = Block("scale")
NOISE_MAX = 0.10  # above this share of a core, somebody else was at work


def conditions(args, version: str) -> dict:
    return {
        **machine.described(args),
        "tenants": args.tenants,
        "rounds": args.rounds,
        "duration_s": args.duration,
        "realtime": args.realtime,
        "quick": args.quick,
        "version": version,
    }


class Results:
    """What is known of each experiment, from this run and those before it, in a file."""

    def __init__(self, path: Path):
        self._path = path
        self.found: dict[str, dict] = {}
        if path.exists():
            try:
                self.found = json.loads(path.read_text())
            except ValueError as error:
                raise Failure(f"{path} is no JSON ({error}): move it away") from None

    def record(self, name: str, title: str, outcome: Outcome, condition: dict, noise: float, took_s: float) -> None:
        self.found[name] = {
            "title": title,
            "conditions": condition,
            "bars": [asdict(bar) for bar in outcome.bars],
            "lines": outcome.lines,
            "noise": noise,
            "took_s": took_s,
            "raw": outcome.raw,
        }
        self._save()

    def failed(self, name: str, title: str, why: str, condition: dict) -> None:
        self.found[name] = {"title": title, "conditions": condition, "failure": why, "bars": [], "lines": [], "noise": 0, "took_s": 0}
        self._save()

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self.found, indent=1) + "\n")
        beside.replace(self._path)


def markdown(found: dict[str, dict], names: list[str]) -> str:
    """The block of these experiments, in their order."""
    here = [(name, found[name]) for name in names if name in found]
    if not here:
        return "Nothing has been measured yet.\n"
    common = here[-1][1]["conditions"]
    lines = [
        f"{common['date']}, kernel {common['kernel']}, {common['cpu']}, {common['cores']} cores: proxy on core {common['proxy_core']}, "
        f"origin and load on core {common['load_core']}. {common['tenants']:,} tenants, {common['rounds']} rounds of {common['duration_s']} s; "
        f"medians, with the lowest and highest in brackets. {common['version']}.",
    ]
    if any(one["conditions"]["quick"] for _, one in here):
        lines += ["", "**A quick run: it shows that the measurements work, not what they would find.**"]
    lines += ["", *head("", "measured", "bar", "")]
    for _, one in here:
        lines += [row(*Bar(**bar).cells()) for bar in one["bars"]]
        if "failure" in one:
            lines.append(row(one["title"], "–", "–", "**not measured**"))
    for name, one in here:
        lines += ["", f"### `{name}`: {one['title']}", ""]
        if differs := _differs(one["conditions"], common):
            lines += [f"Measured apart: {differs}.", ""]
        if "failure" in one:
            lines.append(f"**Could not be measured**: {one['failure'].splitlines()[0][:300]}")
        lines += one["lines"]
        if one["noise"] > NOISE_MAX:
            lines += ["", f"**Noisy**: something else used {one['noise']:.0%} of the two cores meanwhile."]
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text + "\n"


def _differs(own: dict, common: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in own.items() if common.get(key) != value and key in ("date", "tenants", "rounds", "duration_s", "version"))
