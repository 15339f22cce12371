"""The peers by name, in the order in which tables show them."""

from peers.caddy import Caddy
from peers.envoy import Envoy
from peers.haproxy import Haproxy
from peers.nginx import Nginx, NginxMainline
from peers.peer import ROOT, VENV, Peer, Setup
from peers.pingora import Pingora
from peers.tollgate import Tollgate
from peers.traefik import Traefik

__all__ = ["NAMES", "ROOT", "VENV", "Peer", "Setup", "named"]

NAMES = ("tollgate", "haproxy", "nginx", "nginx-mainline", "envoy", "traefik", "caddy", "pingora")


def named(name: str, tollgate_binary) -> Peer:
    if name == "tollgate":
        return Tollgate(tollgate_binary)
    return {"haproxy": Haproxy, "nginx": Nginx, "nginx-mainline": NginxMainline,
            "envoy": Envoy, "traefik": Traefik, "caddy": Caddy, "pingora": Pingora}[name]()  # fmt: skip
