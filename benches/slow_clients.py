#!/usr/bin/env python3
"""Whether slow clients deny others the service: slowhttptest in its four modes, and a client that behaves.

While the attack runs, a client asks over a new connection again and again. It fails if one of its requests
does, if one takes longer than --within, or if the attackers' connections are not gone after the deadlines.
See benches/README.md.
"""

import argparse
import http.server
import json
import multiprocessing
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LARGE = b"x" * (4 << 20)

# Each mode as its authors recommend it; the rest is said below.
MODES = {
    "slow headers": ["-H", "-i", "10", "-x", "24", "-t", "GET"],
    "slow body": ["-B", "-i", "10", "-s", "8192", "-x", "10", "-t", "POST"],
    "slow read": ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"],
    "ranges": ["-R", "-t", "GET", "-a", "10", "-b", "3000"],
}


class Origin(http.server.BaseHTTPRequestHandler):
    """Small and large answers; it reads all of a body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = LARGE if self.path.startswith("/large") else b"ok"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_):
        pass


class OriginServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096

    def get_request(self):
        peer, address = super().get_request()
        # On loopback the kernel would take megabytes of each answer, from the origin too, until it drops everybody's packets (tcp_mem).
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        return peer, address

    def handle_error(self, *_):
        """Connections that the gateway cuts are what this is about."""


def origin():
    """Starts an origin in a process of its own; its port."""
    server = OriginServer(("127.0.0.1", 0), Origin)
    multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def configuration(attacked, asked, patience):
    # One machine is one client here; `max_connections_per_client` would end the attack at once.
    return f"""
listeners: [{{ bind: 127.0.0.1:0 }}]
admin: {{ bind: 127.0.0.1:0 }}
tenancy: {{ identify: [domain], unknown: {{ tenant: acme }} }}
plans: {{ free: {{}} }}
tenants: [{{ id: acme, plan: free }}]
# Apart, so that it is the gateway that is measured and not what Python does with the attackers' requests.
pools: {{ attacked: {{ endpoints: [http://127.0.0.1:{attacked}] }}, asked: {{ endpoints: [http://127.0.0.1:{asked}] }} }}
routes:
  - {{ match: {{ path: /probe }}, pool: asked }}
  - {{ match: {{ path_prefix: / }}, pool: attacked }}
workers: 2
limits:
  max_connections_per_client: 100000
  header_read_timeout: {patience // 2}s
  min_request_rate: {{ per_second: 240B, grace: {patience}s }}
  min_response_rate: {{ per_second: 240B, grace: {patience}s }}
"""


class Gateway:
    def __init__(self, binary, text):
        self.folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self.folder.name, "tollgate.yaml")
        path.write_text(text)
        log = open(path.with_suffix(".log"), "w+b")
        self.process = subprocess.Popen([binary, "run", "--config", path], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        self.address = self.admin = None
        while not (self.address and self.admin):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the gateway does not start:\n" + path.with_suffix(".log").read_text())
            for line in path.with_suffix(".log").read_text().splitlines():
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if said.get("message") == "listening":
                    self.address = said["listener"]
                if said.get("message") == "admin listening":
                    self.admin = said["address"]
            time.sleep(0.02)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0

    def metrics(self):
        return ask(self.admin, "/metrics", 10)[1].decode()

    def sum_of(self, name, label=""):
        lines = self.metrics().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{") and label in line)

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        self.folder.cleanup()


def ask(address, path, patience):
    """One request over a connection of its own."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=patience) as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: probe.test\r\nConnection: close\r\n\r\n".encode())
        data = bytearray()
        while piece := peer.recv(65536):
            data += piece
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    return head, body


class Probe(threading.Thread):
    """The client that behaves."""

    def __init__(self, address, within):
        super().__init__(daemon=True)
        self.address, self.within = address, within
        self.took, self.failed = [], []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            start = time.monotonic()
            try:
                head, _ = ask(self.address, "/probe", self.within)
                if not head.startswith(b"HTTP/1.1 200 "):
                    raise OSError(head[:60])
                self.took.append(time.monotonic() - start)
            except OSError as error:
                self.failed.append(f"{error} after {time.monotonic() - start:.2f} s")

    def finish(self):
        self.over.set()
        self.join()
        took = sorted(self.took) or [float("inf")]
        return took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)], took[-1]


def attack(gateway, name, arguments):
    """One mode; its figures."""
    path = "/large" if name == "slow read" else "/"
    command = ["slowhttptest", *MODES[name], "-c", str(arguments.connections), "-r", str(arguments.rate)]
    command += ["-l", str(arguments.seconds), "-p", "3", "-u", f"http://{gateway.address}{path}"]
    probe = Probe(gateway.address, arguments.within)
    probe.start()
    cpu, most, memory = gateway.cpu(), 0, 0
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    start = time.monotonic()
    while running.poll() is None:
        most = max(most, gateway.sum_of("tollgate_connections"))
        memory = max(memory, gateway.memory())
        time.sleep(0.25)
    lasted = time.monotonic() - start
    middle, late, worst = probe.finish()
    cpu = (gateway.cpu() - cpu) / lasted
    deadline = time.monotonic() + 30
    while (left := gateway.sum_of("tollgate_connections")) > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    wrong = list(probe.failed)
    if left:
        wrong.append(f"{left:.0f} of the attackers' connections are still open")
    if worst > arguments.within:
        wrong.append(f"a request took {worst:.2f} s")
    print(
        f"| {name} | {most:.0f} | {len(probe.took)} | {len(probe.failed)} | {middle * 1e3:.1f} | {late * 1e3:.1f} "
        f"| {worst * 1e3:.0f} | {memory:.0f} | {cpu * 100:.0f} % |",
        flush=True,
    )
    return [f"{name}: {what}" for what in wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default=ROOT / "target/release/tollgate")
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--rate", type=int, default=1000, help="connections a second")
    parser.add_argument("--seconds", type=int, default=40, help="how long each mode lasts")
    parser.add_argument("--patience", type=int, default=20, help="the gateway's with slow clients, in seconds")
    parser.add_argument("--within", type=float, default=3.0, help="how long a good request may take, in seconds")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < arguments.connections * 2 + 200:
        print(f"only {hard} descriptors: {arguments.connections * 2 + 200} are needed", file=sys.stderr)
        return 1
    gateway = Gateway(arguments.gateway, configuration(origin(), origin(), arguments.patience))
    wrong = []
    try:
        print("| mode | connections open | good requests | of them failed | median, ms | p99, ms | worst, ms | memory, MiB | CPU |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name in MODES:
            wrong += attack(gateway, name, arguments)
        cut = [line for line in gateway.metrics().splitlines() if line.startswith("tollgate_connections_cut_total{")]
        print("\n".join(cut))
    finally:
        gateway.end()
    for what in wrong[:20]:
        print(f"slow clients: {what}", file=sys.stderr)
    print(f"slow clients: {len(MODES)} modes with {arguments.connections} connections, {len(wrong)} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
