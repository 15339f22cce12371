"""Who asks in a scenario: wrk in clear text, h2load under TLS, and a client of our own where each request has a new connection."""

from collections.abc import Callable
from pathlib import Path

import h2load
import handshakes
import wrk
from scenario import Scenario


def asker(scenario: Scenario, port: int, connections: int, core: int, folder: Path) -> Callable[[int, int], wrk.Load]:
    """What drives `port` for so many seconds, with a seed, and tells what came of it."""
    if scenario.load == "wrk":
        script = wrk.script(folder, scenario)
        return lambda duration_s, seed: wrk.run(port, script, connections, duration_s, seed, core)
    if scenario.load == "h2load":
        return h2load.Asker(scenario, port, connections, core, folder)
    return lambda duration_s, _seed: handshakes.run(scenario, port, core, duration_s)
