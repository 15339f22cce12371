#!/usr/bin/env python3
"""What a second worker costs, and whether both have as much to do.

The same requests a second are offered to one gateway of two workers, and to two gateways of one worker, which share nothing and so serve twice as much
on two cores as on one. What counts is CPU time a request, and how the two workers share it. See benches/README.md.
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
from process import Child, Failure, Workspace, free_port, wait_until
from scenario import PLAIN, TENANTS

READY_S = 30
BAR = 0.9  # of two gateways' CPU time a request over that of one with two workers: 1.8 times as much on two cores
SCENARIOS = {scenario.name: scenario for scenario in (PLAIN, TENANTS)}


@dataclass(frozen=True)
class Case:
    binary: Path
    connections: int
    together: bool  # one gateway of two workers; else two of one worker


@dataclass(frozen=True)
class Sample:
    cpu_us: float  # of both workers, a request
    by_worker: tuple[float, ...]  # each worker's part of the workers' CPU time, the busiest first
    open: tuple[int, ...]  # connections by worker, where the gateway tells


@dataclass(frozen=True)
class Gateway:
    child: Child
    setup: Setup
    workers: tuple[int, ...]  # their threads


def main() -> int:
    args = arguments()
    if args.wakes:
        return wakes(args)
    cases = [
        Case(binary.resolve(), connections, together)
        for binary in (args.tollgate, *args.beside)
        for connections in args.connections
        for together in (False, True)
    ]
    samples: dict[Case, list[Sample]] = {case: [] for case in cases}
    with Workspace(args.keep) as workspace:
        origin = Origin(workspace, None)
        for round_ in range(args.rounds):
            # In an order that rotates, and the two that are compared next to each other, now the one first and now the other.
            at = 2 * round_ % len(cases)
            order = cases[at:] + cases[:at]
            for case in order if round_ % 2 == 0 else order[::-1]:
                sample = measure(workspace, origin, case, args)
                samples[case].append(sample)
                print(f"{round_ + 1}/{args.rounds} {label(case, args)}: {sample.cpu_us:.1f} µs, {shown(sample)}", file=sys.stderr)
    return report(samples, args)


@contextlib.contextmanager
def running(workspace: Workspace, origin: Origin, binary: Path, cores: tuple[int, ...], args, more: str = "") -> Iterator[Gateway]:
    """A gateway that serves, with a worker on each of these cores."""
    peer = Tollgate(binary)
    found = peer.binary()
    if found is None:
        raise Failure(f"no binary at {binary}")
    folder = workspace.subfolder(f"gateway-{time.monotonic_ns()}")
    setup = Setup(SCENARIOS[args.scenario], folder, free_port(), origin.port, free_port())
    command = peer.command(found, setup)
    path = folder / "tollgate.yaml"
    path.write_text(config(setup).replace("workers: 1", f"workers: {len(cores)}") + more)
    child = workspace.start(folder.name, command, None)
    try:
        wait_until(lambda: serves(child, setup), READY_S, "tollgate to serve")
        workers = workers_of(child)
        if len(workers) != len(cores):
            raise Failure(f"{len(workers)} threads of {len(cores)} workers")
        for core, worker in zip(cores, workers):
            os.sched_setaffinity(worker, {core})
        yield Gateway(child, setup, tuple(workers))
        child.check_alive()
    finally:
        child.kill()


def measure(workspace: Workspace, origin: Origin, case: Case, args) -> Sample:
    with contextlib.ExitStack() as stack:
        of = [(0, 1)] if case.together else [(0,), (1,)]
        gateways = [stack.enter_context(running(workspace, origin, case.binary, cores, args)) for cores in of]
        # Two that ask in either case, each half of it.
        asked = gateways * 2 if case.together else gateways
        for one in [start(gateway, case.connections // 2, args.rate / 2, 1) for gateway in asked]:
            one.finish()
        workers = [(gateway.child, worker) for gateway in gateways for worker in gateway.workers]
        before = [thread_cpu(*worker) for worker in workers]
        asking = [start(gateway, case.connections // 2, args.rate / 2, args.seconds) for gateway in asked]
        # The connections of this load are there in the midst of it.
        time.sleep(args.seconds / 2)
        open_ = tuple(count for gateway in gateways for count in connections(gateway))
        requests = sum(one.finish() for one in asking)
        each = [thread_cpu(*worker) - was for worker, was in zip(workers, before)]
    return Sample(sum(each) * 1e6 / requests, tuple(sorted((one / sum(each) for one in each), reverse=True)), open_)


def wakes(args) -> int:
    """Which threads wake others while connections that are there ask and are answered, every limit and the access log on."""
    count_of = args.connections[0]
    with Workspace(args.keep) as workspace:
        log = workspace.folder / "access.log"
        more = f"access_log: {{ path: {log}, sample: 1.0 }}\n"
        with running(workspace, Origin(workspace, None), args.tollgate.resolve(), (0, 1), args, more) as gateway:
            child = gateway.child
            asking = start(gateway, count_of, args.rate, args.seconds)
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
            asking.process.kill()
        counts: dict[tuple[str, str], int] = {}
        for line in trace.read_text().splitlines():
            thread, _, call = line.partition(" ")
            # A runtime is woken by its eventfd, a thread that waits for another by its futex.
            kind = "eventfd" if re.match(r'\s*write\(\d+, "\\1(\\0){7}", 8\)', call) else "futex" if "FUTEX_WAKE" in call else None
            if kind:
                name = names.get(thread, thread)
                counts[name, kind] = counts.get((name, kind), 0) + 1
        print(f"of {answered:,} requests on {count_of} connections and 2 workers:")
        for (name, kind), count in sorted(counts.items()):
            print(f"{name} woke another thread {count} times, by its {kind}")
        by_workers = sum(count for (name, _), count in counts.items() if name.startswith("worker-"))
        print(f"by workers: {by_workers / max(answered, 1):.4f} a request")
    return 0 if by_workers * 1000 <= answered else 1


def serves(child: Child, setup: Setup) -> bool:
    child.check_alive()
    answer = sanity.get(setup.port, setup.scenario.hosts[0])
    return answer is not None and answer.status == 200


@dataclass(frozen=True)
class Asking:
    process: subprocess.Popen
    requests: int
    patience_s: float

    def finish(self) -> int:
        """Waits for its end; how many requests were answered: all of them, or it is a failure."""
        try:
            text, _ = self.process.communicate(timeout=self.patience_s)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise Failure("h2load does not end") from error
        succeeded = re.search(r"(\d+) succeeded", text)
        statuses = re.search(r"status codes: (\d+) 2xx", text)
        if not succeeded or not statuses or {int(succeeded[1]), int(statuses[1])} != {self.requests}:
            raise Failure(f"not all of {self.requests} requests were answered with 2xx:\n{text}")
        return self.requests


def start(gateway: Gateway, count: int, rate: float, seconds: int) -> Asking:
    """So many connections, each of which asks so many times a second, whatever becomes of the requests of others."""
    requests = int(rate * seconds)
    # Of one tenant: whatever workers share of it, both use all the time.
    url = f"http://{gateway.setup.scenario.hosts[0]}/"
    process = subprocess.Popen(
        ["h2load", "--h1", "-t1", f"-c{count}", f"--rps={rate / count:g}", f"-n{requests}", f"--connect-to=127.0.0.1:{gateway.setup.port}", url],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    return Asking(process, requests, seconds * 3 + 30)


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


def connections(gateway: Gateway) -> tuple[int, ...]:
    url = f"http://127.0.0.1:{gateway.setup.spare_port}/metrics"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = opener.open(url, timeout=10).read().decode()
    return tuple(int(count) for count in re.findall(r'^tollgate_worker_connections\{worker="\d+"\} (\d+)', text, re.MULTILINE))


def named(binary: Path) -> str:
    return f"{binary.parent.name}/{binary.name}"


def label(case: Case, args) -> str:
    which = f"{named(case.binary)}, " if args.beside else ""
    return f"{which}{case.connections} connections, {'one gateway of two workers' if case.together else 'two of one worker'}"


def shown(sample: Sample) -> str:
    parts = " : ".join(f"{part:.0%}" for part in sample.by_worker)
    return f"{parts} of the CPU time" + (f", connections {sample.open}" if sample.open else "")


def report(samples: dict[Case, list[Sample]], args) -> int:
    print(f"\n`{args.scenario}`, {args.rate:,} requests/s offered, {args.rounds} rounds of {args.seconds} s; medians (lowest–highest)\n")
    print("| | connections | CPU µs / request, two of one worker | one of two workers | what is left of a core | so two cores serve | the busier worker's part |")
    print("|---|---|---|---|---|---|---|")
    missed = False
    for case, apart in samples.items():
        if case.together:
            continue
        together = samples[Case(case.binary, case.connections, True)]
        ratios = [one.cpu_us / two.cpu_us for one, two in zip(apart, together)]
        ratio = statistics.median(ratios)
        missed |= case.binary == args.tollgate.resolve() and ratio < BAR
        print(
            f"| {named(case.binary) if args.beside else 'Tollgate'} | {case.connections} | {ranged([one.cpu_us for one in apart], '.1f')} "
            f"| {ranged([two.cpu_us for two in together], '.1f')} | {ranged(ratios, '.2f')} | {2 * ratio:.2f} × "
            f"| {ranged([100 * two.by_worker[0] for two in together], '.0f')} % |"
        )
    print(f"\n{'**miss**' if missed else 'pass'}: bar {BAR:g}, which is {2 * BAR:g} times as much on two cores")
    everything = [{**vars(case), "binary": str(case.binary), "samples": [vars(one) for one in all_]} for case, all_ in samples.items()]
    (ROOT / "target/bench-cores.json").write_text(json.dumps(everything, indent=1))
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
