"""How scenarios are measured, by their `kind`."""

from collections.abc import Callable

import disturbed
import idle
import steady
import transfers
from measure import Bench
from peers import Peer
from sample import Sample
from scenario import Scenario
from tail import Tail

OPEN = ("tail", "disturbed")  # those that have an open loop


def of(bench: Bench, peers: list[Peer]) -> dict[str, Callable[[Peer, Scenario, int], Sample]]:
    def on(module):
        return lambda peer, scenario, round_: module.measure(bench, peer, scenario, round_)

    return {
        "requests": on(steady),
        "transfers": on(transfers),
        "idle": on(idle),
        "tail": Tail(bench, peers).measure,
        "disturbed": on(disturbed),
    }
