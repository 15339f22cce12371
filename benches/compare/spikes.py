#!/usr/bin/env python3
"""What clients notice of what an operator does, again and again: in turn a reload, a scrape, the log's rotation, tenants that come and go, all at once, and nothing.

An open loop asks at a part of what the gateway can do on one core. Of each act, the largest latency of requests within the
second after it began: the middle one of all cycles, and the largest. Where real-time priorities are permitted, seconds in which the machine itself
stood still (stalls.py) are set aside, and counted. `waited` is how long the worker's thread, ready to run, waited for
its core in that second (/proc/PID/task/TID/schedstat): what others on the core cost it, whatever it did itself.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import sanity
from disturbed import HOSTS, NOTICE_S, SLICE_S
from measure import Bench, may_be_realtime, start
from operator_acts import Acts
from origin import Origin
from peers import ROOT
from peers.tollgate import Tollgate
from process import Failure, Workspace, come_first, wait_until
from scenario import DISTURBED, TENANT_SUFFIX
from stalls import Stalls, watched
from tail import CONNECTIONS, WARMUP_S, Stream, closed_loop_per_s, lost, prompt

NOTHING, ALL = "nothing", "all"
ACTS = (NOTHING, "reload", NOTHING, "scrape", NOTHING, "rotation", NOTHING, "churn", NOTHING, ALL)
TURN_S = 2.0  # one act, and until the next
FIRST_S = 1.0
JUDGED = 11  # slices from an act's beginning, of which one may have begun before it


def main() -> int:
    args = arguments()
    peer = Tollgate(args.tollgate.resolve())
    os.sched_setaffinity(0, {args.load_core})
    digits = len(str(args.tenants - 1))
    tenants = tuple(f"t{number:0{digits}}" for number in range(args.tenants))
    scenario = replace(DISTURBED, hosts=tuple(f"{tenant}.{TENANT_SUFFIX}" for tenant in tenants), tenants=tenants)
    with Workspace(args.keep) as workspace:
        origin = Origin(workspace, args.load_core)
        bench = Bench(workspace, origin, args.proxy_core, args.load_core, 64, None, 1, args.engine, may_be_realtime())
        bench.engine()
        with watched(bench) as stalls:
            turns, report = measured(bench, peer, scenario, args)
    rows = figures(turns, report["worst_ms"], stalls)
    print(f"{report['intended']:,} requests, {lost(report)} lost, p50 {report['p50_ms']:.2f} ms, p99.9 {report['p999_ms']:.2f} ms")
    print(f"{'':10} {'middle':>9} {'largest':>9} {'waited':>9} {'seconds':>8} {'set aside':>10}")
    for act, row in rows.items():
        worst, waited = row.worst_ms or [0.0], row.waited_ms or [0.0]
        print(f"{act:10} {median(worst):6.1f} ms {max(worst):6.1f} ms {median(waited):6.1f} ms {len(row.worst_ms):8} {row.set_aside:10}")
    if args.json:
        args.json.write_text(json.dumps({act: asdict(row) for act, row in rows.items()}))
    return 1 if lost(report) else 0


@dataclass(frozen=True)
class Turn:
    act: str
    moment_s: float  # of the window
    began: float  # by the clock
    waited_ms: float


@dataclass
class Row:
    worst_ms: list[float] = field(default_factory=list)
    waited_ms: list[float] = field(default_factory=list)
    set_aside: int = 0


def measured(bench: Bench, peer: Tollgate, scenario, args) -> tuple[list[Turn], dict]:
    started = start(bench, peer, scenario)
    acts = None
    try:
        sanity.check(started.port, scenario)
        come_first(started.child.pid)
        # Every tenant has been asked for then: each has its series.
        closed = closed_loop_per_s(bench, started, scenario)
        rate_per_s = args.rate or args.load * closed
        acts = Acts(started)
        wanted = [act for _ in range(args.cycles) for act in ACTS]
        seconds = FIRST_S + TURN_S * len(wanted)
        with prompt(bench), Stream(
            bench, started.port, list(scenario.hosts[:HOSTS]), rate_per_s, WARMUP_S, seconds, 1, CONNECTIONS // HOSTS
        ) as stream:  # fmt: skip
            stream.expect("begin")
            window = time.monotonic() + NOTICE_S
            turns = [_turn(acts, act, window, FIRST_S + TURN_S * number, started.child.pid) for number, act in enumerate(wanted)]
            stream.expect("end")
            report = stream.report()
        acts.prove()
        started.child.check_alive()
        return turns, report
    finally:
        if acts:
            acts.end()
        started.child.kill()


def _turn(acts: Acts, act: str, window: float, due_s: float, pid: int) -> Turn:
    """An act, and the second after it."""
    _until(window + due_s, f"the moment of {act}")
    if time.monotonic() > window + due_s + TURN_S / 2:
        raise Failure(f"{act} comes too late: the machine is too slow for this")
    before, began = waited_ms(pid), time.monotonic()
    for one in ("reload", "scrape", "churn") if act == ALL else () if act == NOTHING else (act,):
        getattr(acts, one)()
    _until(window + due_s + 1.0, f"the end of {act}")
    return Turn(act, began - window, began, waited_ms(pid) - before)


def _until(moment: float, what: str) -> None:
    wait_until(lambda: time.monotonic() >= moment, TURN_S + 5, what)


def waited_ms(pid: int) -> float:
    """How long the worker has waited for its core, ready to run, since it was started."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "worker-0":
            return int((task / "schedstat").read_text().split()[1]) / 1e6
    raise Failure("there is no worker")


def figures(turns: list[Turn], worst_ms: list[float], stalls: Stalls) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for turn in turns:
        row = rows.setdefault(turn.act, Row())
        if stalls.within(turn.began - SLICE_S, turn.began + JUDGED * SLICE_S):
            row.set_aside += 1
            continue
        first = int(turn.moment_s / SLICE_S)
        row.worst_ms.append(max(worst_ms[first : first + JUDGED], default=0.0))
        row.waited_ms.append(turn.waited_ms)
    return rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tollgate", type=Path, default=ROOT / "target/release/tollgate")
    parser.add_argument("--cycles", type=int, default=4)
    parser.add_argument("--load", type=float, default=0.5, help="of what it can do")
    parser.add_argument("--rate", type=float, help="requests a second, in the place of that: to compare two programs")
    parser.add_argument("--tenants", type=int, default=1_000, help="in the configuration")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--engine", type=Path, help="the binary of the open loop (default: cargo builds it)")
    parser.add_argument("--json", type=Path, help="where to leave every figure")
    parser.add_argument("--keep", action="store_true", help="keep the temp folder (configuration and logs)")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"spikes: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
