"""The files under docker/, read as the tools that use them would read them."""

import json
import os
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"


class Failures:
    """Collects what is wrong, so that one run tells all of it."""

    def __init__(self):
        self.all = []
        self.checks = 0

    def check(self, holds, message):
        self.checks += 1
        if not holds:
            self.all.append(message)
        return holds

    def exit(self, name):
        for message in self.all:
            print(f"{name}: {message}", file=sys.stderr)
        if self.all:
            sys.exit(1)
        print(f"{name}: {self.checks} checks passed")


def compose():
    """The composition, with ${VAR:-default} replaced as compose does in an empty environment."""
    text = (DOCKER / "compose.yaml").read_text()
    text = re.sub(r"(?<!\$)\$\{\w+:-([^}]*)\}", r"\1", text)
    left = re.search(r"(?<!\$)\$\{?\w+", text)
    if left:
        sys.exit(f"compose.yaml: {left[0]} has no default, so `docker compose up` would need an environment")
    return yaml.safe_load(text)


def mounts(service):
    """(source on the host, target) of each file that a service mounts; named volumes are left out."""
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            yield (DOCKER / source).resolve(), target


def gateway_environment(composition):
    """The process environment of the composition's gateway."""
    return os.environ | composition["services"]["tollgate"].get("environment", {})


def dashboards():
    """(file name, panel title, expression) of each query of each dashboard."""
    for file in sorted((DOCKER / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield file.name, panel["title"], target["expr"]


def alerts():
    """(name, expression) of each alert."""
    for group in yaml.safe_load((DOCKER / "prometheus/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
