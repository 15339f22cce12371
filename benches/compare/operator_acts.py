"""What an operator does to a gateway that serves: each act begins at once, and says afterwards whether it was what it claims to be."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import sanity
from measure import Started
from peers.tollgate import TOKEN, config
from process import Failure, wait_until
from scenario import RATE_PER_S

SERIES_MIN = 10_000
CHURN_S = 1.0
PATIENCE_S = 10


class Acts:
    """On one process. What needs time is done by others, at a priority below the load's."""

    def __init__(self, started: Started):
        self._started, self._setup = started, started.setup
        self._log = self._setup.folder / "access.log"
        self._scraped = self._setup.folder / "metrics"
        self._policy = self._policy_now()
        self._reloads = 0
        # Written ahead: with many tenants that alone would hold up the core that the load is on.
        self._plans = [self._setup.folder / f"tollgate-{number}.ahead" for number in (1, 2)]
        for number, path in enumerate(self._plans, 1):
            path.write_text(config(self._setup, RATE_PER_S - 10_000 * number))
        self._scrape: subprocess.Popen | None = None
        self._churn: subprocess.Popen | None = None

    def reload(self) -> None:
        """Another plan each time, renamed into place, and SIGHUP."""
        fresh = self._setup.folder / "tollgate.new"
        os.link(self._plans[self._reloads % 2], fresh)
        fresh.replace(self._setup.folder / "tollgate.yaml")
        self._reloads += 1
        os.kill(self._started.child.pid, signal.SIGHUP)

    def scrape(self) -> None:
        url = f"http://127.0.0.1:{self._setup.spare_port}/metrics"
        self._over(self._scrape)
        self._scrape = subprocess.Popen(["curl", "-sS", "-o", str(self._scraped), url])

    def rotation(self) -> None:
        """The log is renamed, and opened anew by SIGHUP."""
        self._log.rename(self._log.with_suffix(".1"))
        os.kill(self._started.child.pid, signal.SIGHUP)

    def churn(self) -> None:
        script = Path(__file__).with_name("churn.py")
        command = [sys.executable, "-B", str(script), str(self._setup.spare_port), TOKEN, str(CHURN_S)]
        self._over(self._churn)
        self._churn = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def prove(self) -> dict[str, float]:
        """Waits until all have come to their ends; returns how many series and calls there were."""
        wait_until(lambda: self._policy_now() != self._policy, PATIENCE_S, "the reload to take effect")
        wait_until(lambda: self._log.exists() and self._log.stat().st_size > 0, PATIENCE_S, "lines in the new access log")
        if self._scrape.wait(PATIENCE_S):
            raise Failure("curl could not scrape")
        series = sum(not line.startswith("#") for line in self._scraped.read_text().splitlines())
        if series < SERIES_MIN:
            raise Failure(f"a scrape of {series:,} series, not of {SERIES_MIN:,}")
        told, _ = self._churn.communicate(timeout=PATIENCE_S)
        if self._churn.returncode:
            raise Failure("a call of the admin API failed")
        return {"series": series, "calls": int(told)}

    def end(self) -> None:
        for process in (self._scrape, self._churn):
            if process and process.poll() is None:
                process.kill()
                process.wait()

    @staticmethod
    def _over(before: subprocess.Popen | None) -> None:
        """That the one before has ended."""
        if before and before.wait(PATIENCE_S):
            raise Failure("what an operator did before has failed")

    def _policy_now(self) -> str | None:
        """The plan's limit as a client is told it."""
        answer = sanity.get(self._setup.port, self._setup.scenario.hosts[0])
        return answer.headers.get("ratelimit-policy") if answer else None
