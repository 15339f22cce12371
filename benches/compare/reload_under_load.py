#!/usr/bin/env python3
"""Full load while the configuration changes and SIGHUP comes every second: nothing may be lost.

Asserts no answer but 2xx, no socket error, no connection closed, and that the reloads really took
effect: the plan's rate alternates, and `RateLimit-Policy` must show the new one after each.
Exits 0 if all of that held, 1 if not.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import os
import signal
import time
from pathlib import Path

import sanity
import under_load
import wrk
from origin import Origin
from peers import Setup
from peers.tollgate import Tollgate, config
from process import Child, CpuTime, Failure, Workspace, free_port, wait_until
from scenario import RATE_PER_S, TENANTS

RATES_PER_S = (RATE_PER_S, RATE_PER_S - 10_000)
READY_S = 30
TAKE_EFFECT_S = 5  # the probe itself waits its turn on a saturated core


def main() -> int:
    args = arguments()
    peer = Tollgate(args.tollgate.resolve())
    binary = peer.binary()
    if binary is None:
        raise Failure(f"no binary at {args.tollgate}")
    os.sched_setaffinity(0, {args.load_core})
    with Workspace(args.keep) as workspace:
        origin = Origin(workspace, args.load_core)
        setup = Setup(TENANTS, workspace.subfolder("tollgate"), free_port(), origin.port, free_port())
        child = workspace.start("tollgate", peer.command(binary, setup), args.proxy_core)
        wait_until(lambda: _serves(child, setup.port), READY_S, "tollgate to serve")
        sanity.check(setup.port, TENANTS)
        gateway = Gateway(child, setup)
        if not args.no_policy:
            wait_until(gateway.policy_seen, 1, "a RateLimit-Policy header (--no-policy does without)")
        load, reloads, before, after = _drive(workspace, gateway, args)
        child.check_alive()

    print(f"requests          {load.requests:,} in {load.duration_s:.1f} s ({load.requests_per_s:,.0f}/s)")
    print(f"latency           p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms, max {load.max_ms:.1f} ms")
    print(f"reloads           {reloads.sent} sent, {reloads.seen} seen to take effect, slowest {reloads.slowest_s * 1e3:.0f} ms")
    print(f"status errors     {load.status_errors}")
    print(f"socket errors     {load.socket_errors}")
    print(f"connections kept  {len(before & after)} of {len(before)}")
    return _verdict(load, reloads, before, after, args)


class Gateway:
    """The running gateway and the plan it was last given."""

    def __init__(self, child: Child, setup: Setup):
        self.child = child
        self._setup = setup
        self._path = setup.folder / "tollgate.yaml"
        self.port = setup.port

    def rewrite(self, rate_per_s: int) -> None:
        under_load.put(self._path, config(self._setup, rate_per_s))

    def signal(self) -> None:
        os.kill(self.child.pid, signal.SIGHUP)

    def policy_seen(self) -> str | None:
        """The plan's limit as a client is told it."""
        answer = sanity.get(self.port, TENANTS.hosts[0])
        return answer.headers.get("ratelimit-policy") if answer else None


class Reloads:
    def __init__(self):
        self.sent = self.seen = 0
        self.slowest_s = 0.0


def _drive(workspace: Workspace, gateway: Gateway, args) -> tuple[wrk.Load, Reloads, set[int], set[int]]:
    script = wrk.script(workspace.folder, TENANTS)
    command = wrk.command(gateway.port, script, args.connections, args.seconds, 1, args.load_core)
    load = workspace.start("wrk", command, None)
    started = time.monotonic()
    before = wait_until(lambda: _all_connected(gateway.port, args.connections), 5, "wrk to connect")
    after, reloads = before, Reloads()
    for second in under_load.seconds(args.seconds, load.has_ended, started):
        _reload(gateway, reloads, RATES_PER_S[second % 2], args)
        if time.monotonic() - started < args.seconds - 0.5:
            after = _client_ports(gateway.port)
    wait_until(load.has_ended, args.seconds + 15, "wrk to end")
    return wrk.parse(load.log.read_text(), "", CpuTime(0, 0)), reloads, before, after


def _reload(gateway: Gateway, reloads: Reloads, rate_per_s: int, args) -> None:
    gateway.child.check_alive()
    policy = None if args.no_policy else gateway.policy_seen()
    gateway.rewrite(rate_per_s)
    gateway.signal()
    reloads.sent += 1
    if args.no_policy:
        return
    sent = time.monotonic()

    def took_effect() -> bool:
        now = gateway.policy_seen()
        return now is not None and now != policy

    try:
        wait_until(took_effect, TAKE_EFFECT_S, "a reload to take effect")
    except Failure:
        return  # counted as sent and not seen
    reloads.seen += 1
    reloads.slowest_s = max(reloads.slowest_s, time.monotonic() - sent)


def _verdict(load: wrk.Load, reloads: Reloads, before: set[int], after: set[int], args) -> int:
    wrong = []
    if load.requests == 0:
        wrong.append("no request was completed")
    if load.errors:
        wrong.append(f"{load.errors} requests were lost")
    if before - after:
        wrong.append(f"{len(before - after)} connections were closed")
    if reloads.sent == 0:
        wrong.append("nothing was reloaded")
    if not args.no_policy and reloads.seen < reloads.sent:
        wrong.append(f"{reloads.sent - reloads.seen} reloads never took effect")
    return under_load.verdict(wrong)


def _serves(child: Child, port: int) -> bool:
    child.check_alive()
    answer = sanity.get(port, TENANTS.hosts[0])
    return answer is not None and answer.status == 200


def _all_connected(port: int, count: int) -> set[int] | None:
    ports = _client_ports(port)
    return ports if len(ports) >= count else None


def _client_ports(port: int) -> set[int]:
    """Local ports of the established connections to `port`: each names one connection of wrk's."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _slot, local, remote, state = line.split()[:4]
        if state == "01" and int(remote.rpartition(":")[2], 16) == port:
            found.add(int(local.rpartition(":")[2], 16))
    return found


def arguments() -> argparse.Namespace:
    parser = under_load.parser(__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--no-policy", action="store_true", help="don't require reloads to show in RateLimit-Policy")
    return parser.parse_args()


if __name__ == "__main__":
    under_load.run("reload_under_load", main)
