#!/usr/bin/env python3
"""What a second worker costs, and whether both have as much to do.

The same requests a second are offered to one worker and to two, each on a core of its own, over few connections and over many. What counts is CPU time
a request: where two workers need no more of it than one, two cores serve twice as much. And how the two share it. See benches/README.md.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sanity
from origin import Origin
from peers import ROOT, Setup
from peers.tollgate import Tollgate, config
from process import TICKS_PER_S, Child, Failure, Workspace, free_port, tree_cpu, wait_until
from scenario import PLAIN, TENANTS

READY_S = 30
BAR = 0.9  # of one worker's CPU time a request over two workers': 1.8 times as much on two cores
SCENARIOS = {scenario.name: scenario for scenario in (PLAIN, TENANTS)}


@dataclass(frozen=True)
class Case:
    binary: Path
    connections: int
    workers: int


@dataclass(frozen=True)
class Sample:
    cpu_us: float  # of the whole gateway, a request
    requests_per_s: float
    by_worker: tuple[float, ...]  # each worker's part of the workers' CPU time, the busiest first
    open: tuple[int, ...]  # connections by worker, where the gateway tells


def main() -> int:
    args = arguments()
    if args.wakes:
        return wakes(args)
    cases = [
        Case(binary.resolve(), connections, workers)
        for binary in (args.tollgate, *args.beside)
        for connections in args.connections
        for workers in (1, 2)
    ]
    samples: dict[Case, list[Sample]] = {case: [] for case in cases}
    with Workspace(args.keep) as workspace:
        origin = Origin(workspace, None)
        for round_ in range(args.rounds):
            # In an order that rotates, one worker and two next to each other.
            at = 2 * round_ % len(cases)
            for case in cases[at:] + cases[:at]:
                sample = measure(workspace, origin, case, args, f"round-{round_}")
                samples[case].append(sample)
                print(f"{round_ + 1}/{args.rounds} {label(case, args)}: {sample.cpu_us:.1f} µs, {shown(sample)}", file=sys.stderr)
    return report(samples, args)


@contextlib.contextmanager
def running(workspace: Workspace, origin: Origin, case: Case, args, name: str, more: str = "") -> Iterator[tuple[Child, Setup, list[int]]]:
    """A gateway that has begun to serve, its workers on a core each; and their threads."""
    peer = Tollgate(case.binary)
    binary = peer.binary()
    if binary is None:
        raise Failure(f"no binary at {case.binary}")
    folder = workspace.subfolder(f"{name}-{time.monotonic_ns()}")
    setup = Setup(SCENARIOS[args.scenario], folder, free_port(), origin.port, free_port())
    command = peer.command(binary, setup)
    path = folder / "tollgate.yaml"
    path.write_text(config(setup).replace("workers: 1", f"workers: {case.workers}") + more)
    child = workspace.start(folder.name, command, None)
    try:
        wait_until(lambda: serves(child, setup), READY_S, "tollgate to serve")
        threads = workers_of(child)
        if len(threads) != case.workers:
            raise Failure(f"{len(threads)} threads of {case.workers} workers")
        for core, thread in enumerate(threads):
            os.sched_setaffinity(thread, {core})
        finished(start(setup, case, args, 1), args, 1)
        yield child, setup, threads
        child.check_alive()
    finally:
        child.kill()


def measure(workspace: Workspace, origin: Origin, case: Case, args, name: str) -> Sample:
    with running(workspace, origin, case, args, name) as (child, setup, threads):
        before, began = (tree_cpu(child.pid).total_s, [thread_cpu(child, thread) for thread in threads]), time.monotonic()
        asking = start(setup, case, args, args.seconds)
        # The connections of this load are there in the midst of it.
        time.sleep(args.seconds / 2)
        open_ = connections(setup, case.workers)
        requests = finished(asking, args, args.seconds)
        took = time.monotonic() - began
        cpu_s = tree_cpu(child.pid).total_s - before[0]
        each = [thread_cpu(child, thread) - was for thread, was in zip(threads, before[1])]
    parts = tuple(sorted((one / max(sum(each), 1 / TICKS_PER_S) for one in each), reverse=True))
    return Sample(cpu_s * 1e6 / requests, requests / took, parts, open_)


def wakes(args) -> int:
    """Which threads wake others while connections that are there ask and are answered, every limit and the access log on."""
    case = Case(args.tollgate.resolve(), args.connections[0], 2)
    with Workspace(args.keep) as workspace:
        log = workspace.folder / "access.log"
        more = f"access_log: {{ path: {log}, sample: 1.0 }}\n"
        with running(workspace, Origin(workspace, None), case, args, "wakes", more) as (child, setup, _):
            asking = start(setup, case, args, args.seconds)
            # When all have connected, and until before they go.
            time.sleep(1)
            trace = workspace.folder / "strace"
            names = {task.name: (task / "comm").read_text().strip() for task in Path(f"/proc/{child.pid}/task").iterdir()}
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=write,futex", "-o", str(trace), "-p", str(child.pid)])
            before = len(log.read_text().splitlines())
            time.sleep(args.seconds - 2)
            answered = len(log.read_text().splitlines()) - before
            tracer.terminate()
            tracer.wait(30)
            asking.kill()
        counts: dict[tuple[str, str], int] = {}
        for line in trace.read_text().splitlines():
            thread, _, call = line.partition(" ")
            # A runtime is woken by its eventfd, a thread that waits for another by its futex.
            kind = "eventfd" if re.match(r'\s*write\(\d+, "\\1(\\0){7}", 8\)', call) else "futex" if "FUTEX_WAKE" in call else None
            if kind:
                name = names.get(thread, thread)
                counts[name, kind] = counts.get((name, kind), 0) + 1
        print(f"of {answered:,} requests on {case.connections} connections and 2 workers:")
        for (name, kind), count in sorted(counts.items()):
            print(f"{name} woke another thread {count} times, by its {kind}")
        by_workers = sum(count for (name, _), count in counts.items() if name.startswith("worker-"))
        print(f"by workers: {by_workers / max(answered, 1):.4f} a request")
    return 0 if by_workers * 1000 <= answered else 1


def serves(child: Child, setup: Setup) -> bool:
    child.check_alive()
    answer = sanity.get(setup.port, setup.scenario.hosts[0])
    return answer is not None and answer.status == 200


def start(setup: Setup, case: Case, args, seconds: int) -> subprocess.Popen:
    """Every connection asks so many times a second, whatever became of the requests of others."""
    per_s = args.rate / case.connections
    # Of one tenant: whatever workers share of it, both use all the time.
    return subprocess.Popen(
        ["h2load", "--h1", "-t1", f"-c{case.connections}", f"--rps={per_s:g}", f"-n{int(args.rate * seconds)}",
         f"--connect-to=127.0.0.1:{setup.port}", f"http://{setup.scenario.hosts[0]}/"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def finished(asking: subprocess.Popen, args, seconds: int) -> int:
    try:
        text, _ = asking.communicate(timeout=seconds * 3 + 30)
    except subprocess.TimeoutExpired as error:
        asking.kill()
        raise Failure("h2load does not end") from error
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    statuses = re.search(r"status codes: (\d+) 2xx", text)
    if not done or not statuses:
        raise Failure(f"h2load says nothing of its requests:\n{text}")
    wanted = int(args.rate * seconds)
    if int(done[2]) != wanted or int(statuses[1]) != wanted:
        raise Failure(f"of {wanted} requests {done[2]} succeeded, {statuses[1]} with 2xx:\n{text}")
    return wanted


def workers_of(child: Child) -> list[int]:
    """The workers' threads, in the order of their numbers."""
    named = {}
    for task in Path(f"/proc/{child.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("worker-"):
            named[int(name.removeprefix("worker-"))] = int(task.name)
    return [named[number] for number in sorted(named)]


def thread_cpu(child: Child, thread: int) -> float:
    """The CPU time of a thread in seconds, as the scheduler counts it."""
    return int(Path(f"/proc/{child.pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9


def connections(setup: Setup, workers: int) -> tuple[int, ...]:
    url = f"http://127.0.0.1:{setup.spare_port}/metrics"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = opener.open(url, timeout=10).read().decode()
    found = re.findall(r'^tollgate_worker_connections\{worker="(\d+)"\} (\d+)', text, re.MULTILINE)
    return tuple(int(count) for _, count in found) if len(found) == workers else ()


def label(case: Case, args) -> str:
    which = f"{case.binary.parent.name}/{case.binary.name}, " if args.beside else ""
    return f"{which}{case.connections} connections, {case.workers} worker(s)"


def shown(sample: Sample) -> str:
    parts = " : ".join(f"{part:.0%}" for part in sample.by_worker)
    return f"{parts} of the CPU time" + (f", connections {sample.open}" if sample.open else "")


def report(samples: dict[Case, list[Sample]], args) -> int:
    print(f"\n`{args.scenario}`, {args.rate:,} requests/s offered, {args.rounds} rounds of {args.seconds} s; medians (lowest–highest)\n")
    print("| | connections | CPU µs / request, 1 worker | 2 workers | 1 over 2 | so two cores serve | the busier worker's part of two |")
    print("|---|---|---|---|---|---|---|")
    missed = False
    for case, ones in samples.items():
        if case.workers != 1:
            continue
        twos = samples[Case(case.binary, case.connections, 2)]
        ratios = [one.cpu_us / two.cpu_us for one, two in zip(ones, twos)]
        ratio = statistics.median(ratios)
        missed |= case.binary == args.tollgate.resolve() and ratio < BAR
        busier = [two.by_worker[0] for two in twos]
        which = f"{case.binary.parent.name}/{case.binary.name}" if args.beside else "Tollgate"
        print(
            f"| {which} | {case.connections} | {ranged([one.cpu_us for one in ones], '.1f')} | {ranged([two.cpu_us for two in twos], '.1f')} "
            f"| {ranged(ratios, '.2f')} | {2 * ratio:.2f} × | {ranged([100 * part for part in busier], '.0f')} % |"
        )
    print(f"\n{'**miss**' if missed else 'pass'}: bar {BAR:g}, which is {2 * BAR:g} times as much on two cores")
    (ROOT / "target/bench-cores.json").write_text(
        json.dumps([{**vars(case), "binary": str(case.binary), "samples": [vars(one) for one in all_]} for case, all_ in samples.items()], indent=1)
    )
    return 1 if missed else 0


def ranged(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tollgate", type=Path, default=ROOT / "target/release/tollgate")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="another binary to measure in the same rounds")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="plain")
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--rate", type=int, default=8000, help="requests a second, over all connections")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--wakes", action="store_true", help="count who wakes whom instead, by strace")
    parser.add_argument("--keep", action="store_true", help="keep the temp folder (configuration and logs)")
    args = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise Failure("two workers need two cores")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return args


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"cores: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
