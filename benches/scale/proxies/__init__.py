"""The proxies by key, in the order in which tables show them."""

from bench import Bench
from proxies.envoy import Envoy
from proxies.haproxy import Haproxy
from proxies.nginx import Nginx
from proxies.proxy import Proxy, Running
from proxies.tollgate import TollgateFiles, TollgateStore
from stores import Stores

__all__ = ["KEYS", "Proxy", "Running", "all_proxies"]

KEYS = (TollgateStore.key, TollgateFiles.key, Haproxy.key, Nginx.key, Envoy.key)


def all_proxies(bench: Bench, stores: Stores) -> list[Proxy]:
    """Those that the run asks for and that are installed."""
    known = [TollgateStore(bench, stores), TollgateFiles(bench, stores), Haproxy(), Nginx(), Envoy()]
    return [proxy for proxy in known if proxy.key in bench.peers and proxy.binary() is not None]
