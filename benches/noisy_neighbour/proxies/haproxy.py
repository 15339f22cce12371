"""HAProxy, Debian's: as it comes; with `maxconn`, which queues first come first served; and with `maxconn`
and `set-priority-class`, which lets the tenant go first that has asked less. The last is the one to beat."""

from pathlib import Path

from peers.haproxy import Haproxy
from proxies.proxy import Configured, Setup


class PlainHaproxy(Configured, Haproxy):
    key = "haproxy"
    title = "HAProxy, no limits"
    file = "haproxy.cfg"
    queues = False
    rules = ""

    def arguments(self, binary: Path, path: Path) -> list[str]:
        return [str(binary), "-db", "-f", str(path)]

    def config(self, setup: Setup) -> str:
        maxconn = f"maxconn {setup.attack.seats}" if self.queues else ""
        return f"""
global
    nbthread 1
    maxconn 8192

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout queue 1h
    timeout http-keep-alive 1h

frontend edge
    bind 127.0.0.1:{setup.port} backlog 8192
    http-request set-var(txn.tenant) req.hdr(host),lower,field(1,.)
    http-request set-header X-Tenant-Id %[var(txn.tenant)]
    {self.rules}
    default_backend origin

backend origin
    server one 127.0.0.1:{setup.origin_port} {maxconn}

backend tenants
    stick-table type string len 32 size 100k expire 1h store http_req_rate(1s),conn_cur
"""


class FifoHaproxy(PlainHaproxy):
    key = "haproxy-fifo"
    title = "HAProxy, `maxconn 64`"
    contender = True
    queues = True


class RateHaproxy(FifoHaproxy):
    key = "haproxy-rate"
    title = "HAProxy, `maxconn 64`, priority by rate"
    # A class is at most 2047: in quarters of a request a second, more than the origin could serve.
    rules = """
    http-request track-sc0 var(txn.tenant) table tenants
    http-request set-priority-class sc0_http_req_rate,div(4)
"""


class InFlightHaproxy(FifoHaproxy):
    key = "haproxy-in-flight"
    title = "HAProxy, `maxconn 64`, priority by in flight"
    rules = """
    http-request track-sc0 var(txn.tenant) table tenants
    http-request set-priority-class sc0_conn_cur
"""
