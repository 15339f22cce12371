"""HAProxy: Debian's, one thread, upstream connections shared."""

from pathlib import Path

from peers.peer import Peer, Setup, on_path
from scenario import IN_FLIGHT_MAX, RATE_PER_S


class Haproxy(Peer):
    name = "haproxy"
    label = "HAProxy (Debian)"
    tls = True

    def binary(self) -> Path | None:
        return on_path("haproxy")

    def command(self, binary: Path, setup: Setup) -> list[str]:
        path = setup.folder / "haproxy.cfg"
        path.write_text(_config(setup))
        return [str(binary), "-db", "-f", str(path)]


def _config(setup: Setup) -> str:
    rules = _tenancy(setup) if setup.scenario.tenants else ""
    tls = f" ssl crt {setup.certificate.both} alpn h2,http/1.1 ssl-min-ver TLSv1.2" if setup.certificate else ""
    return f"""
global
    nbthread 1
    maxconn 8192
{_keeping(setup)}

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h

frontend edge
    bind 127.0.0.1:{setup.port}{tls} backlog 4096
{rules}
    default_backend origin

backend origin
    server one 127.0.0.1:{setup.origin_port}{" pool-purge-delay 1h" if setup.scenario.pairs else ""}

backend tenants
    stick-table type string len 32 size 200k expire 1h store http_req_rate(1s),http_req_cnt,conn_cur
"""


def _keeping(setup: Setup) -> str:
    """It closes what is idle while it has few descriptors left, and every few seconds a part of it: both is to be measured without."""
    return "    tune.pool-low-fd-ratio 100\n    tune.pool-high-fd-ratio 100" if setup.scenario.pairs else ""


def _tenancy(setup: Setup) -> str:
    hosts = setup.folder / "tenants.map"
    hosts.write_text("".join(f"{host} {tenant}\n" for host, tenant in setup.scenario.tenant_of()))
    # `http_req_cnt` is the per-tenant count: the table keeps it as it tracks, cheaper than a gpc rule.
    return f"""
    http-request set-var(txn.tenant) req.hdr(host),host_only,lower,map_str({hosts})
    http-request deny deny_status 404 unless {{ var(txn.tenant) -m found }}
    http-request track-sc0 var(txn.tenant) table tenants
    http-request deny deny_status 429 if {{ sc0_http_req_rate gt {RATE_PER_S} }}
    http-request deny deny_status 429 if {{ sc0_conn_cur gt {IN_FLIGHT_MAX} }}
    http-request set-header X-Tenant-Id %[var(txn.tenant)]
"""
