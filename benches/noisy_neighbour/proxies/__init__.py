"""The proxies in their configurations, in the order in which tables show them."""

from pathlib import Path

from proxies.direct import Direct
from proxies.envoy import AdaptiveEnvoy, BreakerEnvoy, PartitionedEnvoy
from proxies.haproxy import FifoHaproxy, InFlightHaproxy, PlainHaproxy, RateHaproxy
from proxies.nginx import CappedNginx, PlainNginx
from proxies.proxy import Configured, Setup
from proxies.tollgate import FairTollgate

__all__ = ["KEYS", "Configured", "Direct", "Setup", "all_proxies"]


def all_proxies(tollgate: Path) -> list[Configured]:
    return [
        FairTollgate(tollgate),
        RateHaproxy(),
        InFlightHaproxy(),
        FifoHaproxy(),
        PlainHaproxy(),
        PlainNginx(),
        CappedNginx(),
        BreakerEnvoy(),
        AdaptiveEnvoy(),
        PartitionedEnvoy(),
        Direct(),
    ]


KEYS = tuple(proxy.key for proxy in all_proxies(Path()))
