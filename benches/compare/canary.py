"""Who is ready at once, and still late: `canary.py CORE` sleeps two milliseconds at a time before all others, until it is told to end.

Prints when it was late and by how much, in milliseconds. Nothing that the measured do can hold it up: it was the machine (its host, an interrupt,
the bound on real-time time), and what clients saw at that moment says nothing.
"""

import gc
import json
import os
import signal
import sys
import time

PRIORITY = 50  # above the open loop and the origin
NAP_S = 0.002
LATE_MS = 2.0


def main() -> None:
    os.sched_setaffinity(0, {int(sys.argv[1])})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    gc.disable()
    late: list[tuple[float, float]] = []
    ended = False

    def end(*_) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    while not ended:
        due = time.monotonic() + NAP_S
        time.sleep(NAP_S)
        now = time.monotonic()
        if (now - due) * 1e3 > LATE_MS:
            late.append((now, (now - due) * 1e3))
    print(json.dumps(late))


if __name__ == "__main__":
    main()
