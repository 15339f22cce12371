"""No proxy: the load meets the origin itself."""

from attack import Attack
from proxies.proxy import Configured


class Direct(Configured):
    key = "direct"
    title = "no proxy"

    def binary(self) -> None:
        return None

    def takes(self, attack: Attack) -> bool:
        return attack.direct_only or super().takes(attack)
