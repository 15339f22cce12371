#!/usr/bin/env python3
"""One request to each host of a file, over kept-alive connections; prints one line of JSON at the end.

With --rate an open loop: requests come at moments that were drawn before (Poisson), whatever became of those before them,
and latency counts from the intended moment. Without it every connection asks again as soon as it is answered. Ends with the
hosts (or --seconds, or at SIGTERM), waits for what is still owed, and counts what does not come.
"""

import argparse
import collections
import json
import random
import select
import signal
import socket
import sys
import time

PATIENCE_S = 10
CONNECTIONS_MAX = 512  # below what `select` can watch


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.due = 0.0

    def fileno(self):
        return self.socket.fileno()

    def ask(self, host, due):
        self.due = due
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")

    def answer(self):
        """(status, whether the connection stays) once the answer is whole, else None. An empty read is an error."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed before its answer")
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        fields = self.buffer[:end].lower()
        at = fields.find(b"\r\ncontent-length:")
        if at < 0:
            raise ConnectionError("an answer without a length")
        length = int(fields[at + 17 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return None
        self.buffer = b""
        return int(fields[9:12]), b"\r\nconnection: close" not in fields


class Load:
    def __init__(self, options, hosts):
        self.options, self.hosts = options, hosts
        self.idle = collections.deque()
        self.busy = set()
        self.waiting = collections.deque()  # (host, due) that no connection was free for
        self.next = self.sent = 0
        self.statuses, self.errors = collections.Counter(), collections.Counter()
        self.latencies_ms = []
        self.seconds = collections.defaultdict(collections.Counter)
        self.stopped = False
        self.random = random.Random(options.seed)

    def run(self):
        for _ in range(self.options.connections):
            self.idle.append(Connection(self.options.port))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))
        if self.options.announce:
            print("begin", flush=True)
        self.start = time.perf_counter()
        due, rate = self.start, self.options.rate
        while self.more():
            now = time.perf_counter()
            if rate:
                while due <= now and self.more():
                    self.send(self.host(), due)
                    due += self.random.expovariate(rate)
                self.wait(min(max(0.0, due - time.perf_counter()), 0.05))
            else:
                while self.idle and self.more():
                    self.send(self.host(), time.perf_counter())
                self.wait(0.05)
        deadline = time.monotonic() + PATIENCE_S
        while (self.busy or self.waiting) and time.monotonic() < deadline:
            self.wait(0.05)
        lost = len(self.busy) + len(self.waiting)
        if lost:
            self.errors["no answer"] += lost
        took_s = time.perf_counter() - self.start
        for connection in [*self.busy, *self.idle]:
            connection.socket.close()
        return self.report(took_s)

    def more(self):
        if self.stopped or (self.next >= len(self.hosts) and not self.options.cycle):
            return False
        return not self.options.seconds or time.perf_counter() - self.start < self.options.seconds

    def host(self):
        host = self.hosts[self.next % len(self.hosts)]
        self.next += 1
        return host

    def send(self, host, due):
        self.sent += 1
        if not self.idle:
            if len(self.busy) >= CONNECTIONS_MAX:
                self.waiting.append((host, due))
                return
            try:
                self.idle.append(Connection(self.options.port))
            except OSError as failure:
                self.failed(failure)
                return
        self.ask(self.idle.popleft(), host, due)

    def ask(self, connection, host, due):
        try:
            connection.ask(host, due)
            self.busy.add(connection)
        except OSError as failure:
            self.failed(failure)

    def wait(self, timeout_s):
        # `select` takes microseconds where `epoll` takes milliseconds.
        watched = [*self.busy, *self.idle]
        if not watched:
            time.sleep(timeout_s)
            return
        readable, _, _ = select.select(watched, [], [], timeout_s)
        for connection in readable:
            if connection not in self.busy:
                # A proxy may close what is idle; a client that looks doesn't use it any more.
                self.idle.remove(connection)
                connection.socket.close()
                continue
            try:
                answer = connection.answer()
            except (OSError, ValueError) as failure:
                self.busy.discard(connection)
                connection.socket.close()
                self.failed(failure)
                continue
            if answer:
                self.answered(connection, *answer)

    def answered(self, connection, status, stays):
        now = time.perf_counter()
        self.busy.discard(connection)
        self.statuses[status] += 1
        self.seconds[int(now - self.start)][status] += 1
        if status < 400:
            self.latencies_ms.append((now - connection.due) * 1e3)
        if not stays:
            connection.socket.close()
        elif self.waiting:
            self.ask(connection, *self.waiting.popleft())
        else:
            self.idle.append(connection)

    def failed(self, failure):
        self.errors[type(failure).__name__ + ": " + str(failure)[:60]] += 1
        self.seconds[int(time.perf_counter() - self.start)]["error"] += 1

    def report(self, took_s):
        ranked = sorted(self.latencies_ms)
        return {
            "sent": self.sent,
            "took_s": took_s,
            "statuses": self.statuses,
            "errors": self.errors,
            "p50_ms": rank(ranked, 50),
            "p90_ms": rank(ranked, 90),
            "p99_ms": rank(ranked, 99),
            "max_ms": rank(ranked, 100),
            "seconds": {str(second): counts for second, counts in sorted(self.seconds.items())},
        }


def rank(ranked, percent):
    return ranked[max(1, -(-len(ranked) * percent // 100)) - 1] if ranked else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--hosts", required=True, help="a file, a host a line")
    parser.add_argument("--rate", type=float, default=0, help="requests a second; 0 for as many as can be")
    parser.add_argument("--seconds", type=float, default=0, help="0 for as long as there are hosts")
    parser.add_argument("--connections", type=int, default=64, help="open from the start; more open as they are needed")
    parser.add_argument("--cycle", action="store_true", help="begin again with the hosts when they are through")
    parser.add_argument("--announce", action="store_true", help="print `begin` before the first request")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    with open(options.hosts, "rb") as lines:
        hosts = lines.read().split()
    print(json.dumps(Load(options, hosts).run()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
