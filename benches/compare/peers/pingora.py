"""Pingora: the small proxy of `pingora/`, built by `install`, one worker."""

import re
from pathlib import Path

from peers.peer import ROOT, Peer, Setup
from scenario import IN_FLIGHT_MAX, RATE_PER_S

SOURCE = ROOT / "benches" / "compare" / "pingora"
BINARY = ROOT / "target" / "pingora" / "release" / "pingora-peer"


class Pingora(Peer):
    name = "pingora"
    label = "Pingora"
    differs = {"tenants": "limits are estimates of pingora-limits, which counts in a sketch"}

    def binary(self) -> Path | None:
        return BINARY if BINARY.is_file() else None

    def command(self, binary: Path, setup: Setup) -> list[str]:
        command = [str(binary), str(setup.port), str(setup.origin_port)]
        if setup.scenario.tenants:
            tenants = setup.folder / "tenants"
            tenants.write_text("".join(f"{host} {tenant}\n" for host, tenant in setup.scenario.tenant_of()))
            command += [str(tenants), str(RATE_PER_S), str(IN_FLIGHT_MAX)]
        return command

    def version(self, binary: Path) -> str:
        # Of the library: the proxy itself has none.
        found = re.search(r'name = "pingora"\nversion = "([^"]+)"', (SOURCE / "Cargo.lock").read_text())
        return found.group(1) if found else "?"
