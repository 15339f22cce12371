#!/usr/bin/env python3
"""System calls per request of one proxy: strace counts them while wrk drives it."""

import sys

sys.dont_write_bytecode = True

import argparse
import os
import shutil
import signal
from pathlib import Path

import sanity
import wrk
from measure import Bench, start
from origin import Origin
from peers import NAMES, ROOT, named
from process import Failure, Workspace, tree, wait_until
from scenario import SCENARIOS


def main() -> None:
    args = arguments()
    if shutil.which("strace") is None:
        raise Failure("strace is missing: run benches/compare/install")
    peer, scenario = named(args.peer, args.tollgate.resolve()), SCENARIOS[args.scenario]
    os.sched_setaffinity(0, {args.load_core})
    with Workspace() as workspace:
        origin = Origin(workspace, args.load_core)
        bench = Bench(workspace, origin, args.proxy_core, args.load_core, args.connections)
        started = start(bench, peer, scenario)
        child, port = started.child, started.port
        sanity.check(port, scenario)
        script = wrk.script(workspace.folder, scenario)
        # Upstream connections and lazily made state come before the count.
        wrk.run(port, script, args.connections, 1, 1, args.load_core)

        summary = workspace.folder / "strace-summary"
        pids = [argument for pid in tree(child.pid) for argument in ("-p", str(pid))]
        tracer = workspace.start("strace", ["strace", "-c", "-f", "-o", str(summary), *pids], args.proxy_core)

        def attached() -> bool:
            tracer.check_alive()
            return all(_traced(task) for pid in tree(child.pid) for task in Path(f"/proc/{pid}/task").iterdir())

        wait_until(attached, 10, "strace to attach")
        load = wrk.run(port, script, args.connections, args.duration, 2, args.load_core)
        os.kill(tracer.pid, signal.SIGINT)  # `taskset` became strace by exec
        wait_until(lambda: summary.exists() and "total" in summary.read_text(), 10, "strace's summary")
        text = summary.read_text()

    if load.requests == 0:
        raise Failure("no request was completed")
    print(f"{peer.label}, {scenario.name}: {load.requests:,} requests, {args.connections} connections, traced")
    counts = parse(text)
    for name, calls in sorted(counts.items(), key=lambda item: -item[1]):
        if calls / load.requests >= 0.001 or args.all:
            print(f"{calls / load.requests:9.3f}  {name}")
    print(f"{sum(counts.values()) / load.requests:9.3f}  calls/request")
    if load.errors:
        raise Failure(f"{load.errors} errors: {load.status_errors} by status, {load.socket_errors}")


def parse(summary: str) -> dict[str, int]:
    """Calls by name from strace's table: `% time, seconds, usecs/call, calls, [errors,] syscall`."""
    counts = {}
    for line in summary.splitlines():
        fields = line.split()
        if len(fields) in (5, 6) and fields[3].isdigit() and fields[-1] != "total":
            counts[fields[-1]] = int(fields[3])
    return counts


def _traced(task: Path) -> bool:
    try:
        return "TracerPid:\t0\n" not in (task / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True  # a thread that has ended needs no tracer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tollgate", type=Path, default=ROOT / "target/release/tollgate")
    parser.add_argument("--peer", choices=NAMES, default="tollgate")
    parser.add_argument("--scenario", choices=[one.name for one in SCENARIOS.values() if one.load == "wrk"], default="plain")
    parser.add_argument("--duration", type=int, default=3, metavar="S")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="also what is rarer than one call in 1,000 requests")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"syscalls: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
