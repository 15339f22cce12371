#!/usr/bin/env python3
"""What an idle connection costs in memory: of clients, and to endpoints.

Opens as many connections as asked, has each carry one request at the same time as all others (so that
as many go upstream), and reads the gateway's resident memory before, and after when all of them are idle. See
benches/README.md.
"""

import argparse
import asyncio
import multiprocessing
import os
import pathlib
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(port, together, certificate, ready):
    """Answers when `together` requests for /together are there, so that each has a connection of its own; others at
    once. One loop without buffers of its own, so that ten thousand connections under TLS fit beside what is measured."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    waiting = []
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    ready.set()

    def accept():
        peer, _ = listener.accept()
        peer.setblocking(False)
        if context:
            peer = context.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        selector.register(peer, selectors.EVENT_READ)

    def read(peer):
        data = peer.recv(4096)
        if not data:
            selector.unregister(peer)
            peer.close()
        elif b"GET /together" not in data:
            peer.sendall(ANSWER)
        else:
            waiting.append(peer)
            if len(waiting) == together:
                for one in waiting:
                    one.sendall(ANSWER)
                waiting.clear()

    while True:
        for key, _ in selector.select():
            peer = key.fileobj
            try:
                accept() if peer is listener else read(peer)
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except OSError:
                selector.unregister(peer)
                peer.close()


def self_signed(folder):
    """A certificate for 127.0.0.1 and its key, in one file."""
    path = pathlib.Path(folder, "origin.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=origin", "-addext", "subjectAltName=IP:127.0.0.1",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(path), "-out", f"{path}.crt"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    path.write_text(path.read_text() + pathlib.Path(f"{path}.crt").read_text())
    return path


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def settled(resident_now, quiet_s=7):
    """Resident memory, when quiet connections are parked (for which they have `quiet_s`) and it has not changed for a second."""
    time.sleep(quiet_s)
    last, since = resident_now(), time.monotonic()
    deadline = since + 30
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = resident_now()
        if abs(now - last) > 64 * 1024:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 1.5:
            break
    return resident_now()


async def connect(port, count, path, host="acme.app.example.com"):
    """Connections that have each carried one request, all at the same time."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    pairs = []
    for start in range(0, count, 500):
        size = min(500, count - start)
        pairs += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(size)))
    for _, writer in pairs:
        writer.write(request)
    answers = await asyncio.wait_for(asyncio.gather(*(read(reader) for reader, _ in pairs)), 120)
    wrong = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 200")]
    if wrong:
        sys.exit(f"{len(wrong)} requests failed: {wrong[0]!r}")
    return pairs


async def read(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    return head


async def measure(pid, port, count):
    def now():
        return resident(pid)

    warm = await connect(port, 50, "/")
    for _, writer in warm:
        writer.close()
    await asyncio.sleep(1)
    before = settled(now)
    # One request at a time: they share a few upstream connections.
    down = []
    for _ in range(count // 50):
        down += await connect(port, 50, "/")
    clients = settled(now)
    for _, writer in down:
        writer.close()
    await asyncio.sleep(1)
    again = settled(now)
    await connect(port, count, "/together")
    both = settled(now)
    return before, clients, again, both


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--tollgate", default=str(ROOT / "target/release/tollgate"))
    arguments.add_argument("--connections", type=int, default=9900, help="of each kind (default 9900)")
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--tls", action="store_true", help="connections to endpoints are under TLS")
    options = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(options.connections, (hard - 100) // 2) // 50 * 50
    port, origin_port = free_port(), free_port()
    ready = multiprocessing.Event()
    with tempfile.TemporaryDirectory() as folder:
        certificate = self_signed(folder) if options.tls else None
        arguments = (origin_port, count, certificate, ready)
        behind = multiprocessing.Process(target=serve, args=arguments, daemon=True)
        behind.start()
        ready.wait(10)
        scheme, trust = ("https", f"tls: {{ ca: {certificate}.crt }},") if options.tls else ("http", "")
        config = pathlib.Path(folder, "tollgate.yaml")
        config.write_text(
            f"""
listeners: [{{ bind: 127.0.0.1:{port} }}]
tenancy: {{ identify: [{{ host: "{{tenant}}.app.example.com" }}] }}
plans: {{ free: {{ concurrency: {{ queue: 100000 }} }} }}
pools: {{ shared: {{ endpoints: ["{scheme}://127.0.0.1:{origin_port}"], max_idle: 100000, {trust}
         timeouts: {{ connect: 60s, tls: 60s, response_header: 120s, keep_alive: 600s }} }} }}
default_pool: shared
routes: [{{ match: {{ path_prefix: / }}, pool: shared }}]
tenants: [{{ id: acme, plan: free }}]
limits: {{ max_connections: 100000, max_connections_per_client: 100000 }}
workers: {options.workers}
""",
            encoding="ascii",
        )
        gateway = subprocess.Popen([options.tollgate, "run", "--config", str(config)], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or gateway.poll() is not None:
                        sys.exit("the gateway does not start")
                    time.sleep(0.05)
            before, clients, again, both = asyncio.run(measure(gateway.pid, port, count))
        finally:
            gateway.terminate()
            gateway.wait(20)
            behind.terminate()
    client = (clients - before) / count
    pair = (both - before) / count
    kib = 1024
    print(f"{count:,} connections of each kind, {options.workers} worker(s); resident memory in MiB: "
          f"{before / kib**2:.1f} before, {clients / kib**2:.1f} with idle clients, {again / kib**2:.1f} without, "
          f"{both / kib**2:.1f} with idle clients and as many idle endpoint connections")
    print(f"an idle client connection:   {client / kib:.1f} KiB")
    print(f"an idle endpoint connection: {(pair - client) / kib:.1f} KiB")
    over = [name for name, cost in (("client", client), ("endpoint", pair - client)) if cost > 12 * kib]
    print("pass: both cost 12 KiB or less" if not over else f"**miss**: more than 12 KiB: {', '.join(over)}")
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
