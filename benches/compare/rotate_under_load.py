#!/usr/bin/env python3
"""Certificates rotate under HTTPS load over HTTP/1.1 and HTTP/2, and the configuration reloads: nothing may be lost.

h2load sends a steady rate over each of the two for the whole time. Every second another certificate (its file, then its key, as a
script would write them), or another configuration, is put in place. Asserts that every request was answered with 200, that no
connection broke, and that each new certificate was shown. Exits 0 if all of that held, 1 if not.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import under_load
from origin import Origin
from peers import Setup
from peers.tollgate import config
from process import Child, Failure, Workspace, free_port, wait_until
from scenario import RATE_PER_S, TENANTS

READY_S = 30
TAKE_EFFECT_S = 10
HOST = TENANTS.hosts[0]


def main() -> int:
    args = arguments()
    h2load = shutil.which("h2load")
    if h2load is None:
        raise Failure("h2load is missing: run tests/ops/install-packages")
    if not args.tollgate.is_file():
        raise Failure(f"no binary at {args.tollgate}")
    with Workspace(args.keep) as workspace:
        origin = Origin(workspace, args.load_core)
        folder = workspace.subfolder("tollgate")
        gateway = Gateway(folder, Setup(TENANTS, folder, free_port(), origin.port, free_port()))
        child = workspace.start("tollgate", [str(args.tollgate.resolve()), "run", "--config", str(gateway.config)], args.proxy_core)
        wait_until(lambda: gateway.shown(child), READY_S, "tollgate to serve")
        loads = {
            name: workspace.start(name, command(h2load, gateway.port, args, *more), args.load_core)
            for name, more in (("http/1.1", ["--h1"]), ("h2", ["-m", "8"]))
        }
        rotated, seen = rotate(gateway, child, loads, args)
        for name, load in loads.items():
            wait_until(load.has_ended, args.seconds + 60, f"h2load ({name}) to end")
        child.check_alive()
        wrong = [what for name, load in loads.items() for what in lost(name, load.log.read_text(), args)]
    print(f"rotations         {rotated} put in place, {seen} seen to take effect")
    if rotated == 0 or seen < rotated:
        wrong.append(f"{rotated - seen} of {rotated} rotations never took effect")
    return under_load.verdict(wrong)


class Gateway:
    """The gateway's files, and what it shows."""

    def __init__(self, folder: Path, setup: Setup):
        self.folder, self.port, self._setup = folder, setup.port, setup
        self.config = folder / "tollgate.yaml"
        self.certify()
        self.configure(RATE_PER_S)

    def certify(self) -> None:
        """Another certificate, in two steps."""
        names = f"subjectAltName=DNS:*.{HOST.split('.', 1)[1]}"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=rotate", "-addext", names, "-keyout", "new.key", "-out", "new.pem"],
            cwd=self.folder, check=True, capture_output=True,
        )
        for name in ("pem", "key"):
            os.replace(self.folder / f"new.{name}", self.folder / f"app.{name}")

    def configure(self, rate_per_s: int) -> None:
        text = config(self._setup, rate_per_s)
        plain = f"bind: 127.0.0.1:{self.port}"
        under_load.put(self.config, text.replace(plain, f"{plain}, tls: {{ certificates: [{{ cert: app.pem, key: app.key }}] }}"))

    def written(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert((self.folder / "app.pem").read_text())

    def shown(self, child: Child) -> bytes | None:
        child.check_alive()
        try:
            return ssl.PEM_cert_to_DER_cert(shown_at(self.port))
        except OSError:
            return None


def shown_at(port: int) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as secured:
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True))


def command(h2load: str, port: int, args, *more: str) -> list[str]:
    rate = max(1, args.rate // 2 // args.connections)
    return [h2load, "-t", "1", "-c", str(args.connections), "-D", str(args.seconds), "--rps", str(rate),
            "--connect-to", f"127.0.0.1:{port}", *more, f"https://{HOST}:{port}/"]


def rotate(gateway: Gateway, child: Child, loads: dict[str, Child], args) -> tuple[int, int]:
    rotated = seen = 0
    is_over = lambda: any(load.has_ended() for load in loads.values())
    for second in under_load.seconds(args.seconds, is_over, time.monotonic()):
        if second % 3 == 0:
            gateway.configure(RATE_PER_S - 1_000 * (second % 2))
            continue
        gateway.certify()
        rotated += 1
        try:
            wait_until(lambda: gateway.shown(child) == gateway.written(), TAKE_EFFECT_S, "a new certificate")
            seen += 1
        except Failure:
            pass  # counted as put in place and not seen
    return rotated, seen


def lost(name: str, said: str, args) -> list[str]:
    """What h2load says that was not as it should be."""
    requests = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said)
    if not requests or not statuses:
        return [f"{name}: h2load said nothing of its requests:\n{said}"]
    total, done, succeeded, failed, errored, timeout = map(int, requests.groups())
    print(f"{name:18}{done:,} requests ({done / args.seconds:,.0f}/s), {failed} failed, {errored} errored, {timeout} timed out")
    others = sum(map(int, statuses.groups()[1:]))
    wrong = []
    if failed or errored or timeout or others:
        wrong.append(f"{name}: {failed} failed, {errored} errored, {timeout} timed out, {others} not 2xx")
    if done < 0.9 * args.seconds * args.rate / 2:
        wrong.append(f"{name}: only {done} requests")
    return wrong


def arguments() -> argparse.Namespace:
    parser = under_load.parser(__doc__)
    parser.add_argument("--rate", type=int, default=2_000, help="requests a second, half of them over each protocol")
    parser.add_argument("--connections", type=int, default=20, help="of each protocol")
    return parser.parse_args()


if __name__ == "__main__":
    under_load.run("rotate_under_load", main)
