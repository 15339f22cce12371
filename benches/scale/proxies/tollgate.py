"""Tollgate with its tenants in the store, and with them in `tenants_dir`."""

from pathlib import Path

import tenants
from bench import Bench
from gateway import Gateway
from proxies.proxy import Proxy, Running, Setup
from stores import Stores


class Tollgate(Proxy):
    version_args = ["--version"]

    def __init__(self, bench: Bench, stores: Stores):
        self._binary, self._stores = bench.tollgate, stores
        self._gateway: Gateway | None = None

    def binary(self) -> Path | None:
        return self._binary if self._binary.is_file() else None

    def _command(self, setup: Setup, **what: Path) -> list[str]:
        self._gateway = Gateway(setup.bench, f"{self.key}-{setup.population.count}", **what)
        setup.port = self._gateway.port
        return [str(self._binary), "run", "--config", str(self._gateway.path)]


class TollgateStore(Tollgate):
    key = name = "tollgate"
    title = "Tollgate, store and API"
    note = "durable before the call returns"

    def prepare(self, setup: Setup) -> list[str]:
        count = setup.population.count
        return self._command(setup, store=self._stores.copy(count, self.key))

    def add(self, running: Running, number: int) -> None:
        self._gateway.api.must("POST", "/api/v1/tenants", tenants.document(number))

    def ready(self, running: Running, number: int) -> None:
        # A connection to the API from before: to connect is no part of what is measured.
        self._gateway.api.must("GET", "/api/v1/status")


class TollgateFiles(Tollgate):
    key = name = "tollgate-files"
    title = "Tollgate, `tenants_dir`"

    def prepare(self, setup: Setup) -> list[str]:
        folder = setup.folder / "tenants"
        setup.population.write_files(folder)
        return self._command(setup, tenants_dir=folder)

    def add(self, running: Running, number: int) -> None:
        tenants.write_file(running.setup.folder / "tenants", number)
