"""HAProxy: a map from host to tenant, one thread; a new tenant by the runtime API."""

import socket
from pathlib import Path

from peers.peer import on_path
from process import Failure
from proxies.proxy import Proxy, Running, Setup
from tenants import RATE_PER_S, first_domain, identity


class Haproxy(Proxy):
    key = name = "haproxy"
    title = "HAProxy, map and runtime API"
    note = "what the runtime API adds is gone after a restart"

    def binary(self) -> Path | None:
        return on_path("haproxy")

    def prepare(self, setup: Setup) -> list[str]:
        population = setup.population
        hosts = setup.folder / "tenants.map"
        with hosts.open("w") as out:
            for index in range(population.hosts):
                out.write(f"{population.host(index)} {identity(population.owner(index))}\n")
        path = setup.folder / "haproxy.cfg"
        path.write_text(_config(setup, hosts))
        return [str(self.binary()), "-db", "-f", str(path)]

    def add(self, running: Running, number: int) -> None:
        folder = running.setup.folder
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(10)
            peer.connect(str(folder / "socket"))
            peer.sendall(f"add map {folder / 'tenants.map'} {first_domain(number)} {identity(number)}\n".encode())
            said = peer.recv(4096).strip()
        if said:
            raise Failure(f"haproxy: add map: {said!r}")


def _config(setup: Setup, hosts: Path) -> str:
    return f"""
global
    nbthread 1
    maxconn 8192
    stats socket {setup.folder / "socket"} level admin

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h

frontend edge
    bind 127.0.0.1:{setup.port} backlog 4096
    http-request set-var(txn.tenant) req.hdr(host),host_only,lower,map_str({hosts})
    http-request deny deny_status 404 unless {{ var(txn.tenant) -m found }}
    http-request track-sc0 var(txn.tenant) table tenants
    http-request deny deny_status 429 if {{ sc0_http_req_rate gt {RATE_PER_S} }}
    http-request set-header X-Tenant-Id %[var(txn.tenant)]
    default_backend origin

backend origin
    server one 127.0.0.1:{setup.origin_port}

backend tenants
    stick-table type string len 16 size 1m expire 1h store http_req_rate(1s)
"""
