#!/usr/bin/env python3
"""Requests at a constant rate, whatever becomes of those before them; prints one line of JSON at the end.

A request has an id of its own, which has to come back. What counts as an error: no connection, no answer or a part of one,
any status but 200, any other body, and a connection that is closed before the answer it owes. Nothing is sent twice.
"""

import argparse
import asyncio
import collections
import json
import sys
import time

PATIENCE_S = 30
CONNECTIONS_MAX = 2000


class Connection(asyncio.Protocol):
    """A kept-alive connection with at most one request on it."""

    def __init__(self, load):
        self.load = load
        self.transport = None
        self.buffer = b""
        self.asked = None

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, method, target):
        self.asked = (method, target, time.perf_counter())
        host, body = self.load.host, b""
        if method == "POST":
            body = b"x" * self.load.body
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"
        head += f"Content-Length: {len(body)}\r\n" if body else ""
        self.transport.write(head.encode() + b"\r\n" + body)

    def data_received(self, data):
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower()
        length = int(fields.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self.buffer = b""
        status = int(head.split(b" ", 2)[1])
        why = fields.partition(b"\r\nproxy-status:")[2].split(b"\r\n", 1)[0].strip().decode()
        by = fields.partition(b"\r\nx-origin:")[2].split(b"\r\n", 1)[0].strip().decode()
        asked, self.asked = self.asked, None
        if asked is None:
            self.load.error("an answer to nothing", "")
            return self.transport.close()
        method, target, sent = asked
        right = status == 200 and rest == target.encode()
        self.load.answered(method, time.perf_counter() - sent, by, None if right else f"{status} {why} {rest[:120]!r}")
        if b"\r\nconnection: close" in fields:
            self.transport.close()
        else:
            self.load.idle.append(self)

    def connection_lost(self, error):
        self.load.open -= 1
        if self in self.load.idle:
            self.load.idle.remove(self)
        if self.asked:
            method, _, sent = self.asked
            self.load.answered(method, time.perf_counter() - sent, "", f"cut off: {error!r}, {self.buffer[:60]!r}")


class Load:
    def __init__(self, options):
        self.host, self.body = options.host, options.body
        self.options = options
        self.idle = collections.deque()
        self.open = self.sent = self.ended = 0
        self.counts_from = self.slow = self.slowest_ms = 0
        self.latencies_ms, self.by = [], collections.Counter()
        self.errors, self.first_errors = collections.Counter(), []

    def answered(self, method, latency_s, by, wrong):
        self.ended += 1
        latency_ms = latency_s * 1e3
        self.slowest_ms = max(self.slowest_ms, latency_ms)
        if latency_ms >= self.options.slow_ms:
            self.slow += 1
        elif time.monotonic() - latency_s >= self.counts_from:
            self.latencies_ms.append(latency_ms)
        self.by[by] += 1
        if wrong:
            self.error(method, wrong)

    def error(self, method, what):
        self.errors[f"{method} {what[:60]}"] += 1
        if len(self.first_errors) < 10:
            self.first_errors.append(f"{time.monotonic():.3f} {method} {what}")

    async def one(self, number):
        method = "POST" if number % 100 < self.options.posts else "GET"
        connection = self.idle.popleft() if self.idle else None
        if connection is None or connection.transport.is_closing():
            if self.open >= CONNECTIONS_MAX:
                return self.answered(method, 0, "", "no connection left")
            self.open += 1
            try:
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.options.port)
            except OSError as failure:
                self.open -= 1
                return self.answered(method, 0, "", f"no connection: {failure!r}")
        connection.ask(method, f"/{self.options.seed}/{method}/{number}")

    async def run(self):
        start, seconds, rate = time.monotonic(), self.options.seconds, self.options.rate
        self.counts_from = start + self.options.warmup
        tasks = set()
        while (passed := time.monotonic() - start) < seconds:
            while self.sent < passed * rate:
                task = asyncio.ensure_future(self.one(self.sent))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                self.sent += 1
            await asyncio.sleep(0.0005)
        deadline = time.monotonic() + PATIENCE_S
        while self.ended < self.sent and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return self.report(time.monotonic() - start)

    def report(self, took_s):
        if self.ended < self.sent:
            self.errors["no answer at all"] += self.sent - self.ended
        quick = sorted(self.latencies_ms)
        return {
            "sent": self.sent,
            "per_s": self.sent / self.options.seconds,
            "took_s": took_s,
            "by": self.by,
            "errors": self.errors,
            "first_errors": self.first_errors,
            "slow": self.slow,
            "slowest_ms": self.slowest_ms,
            "p50_ms": quick[len(quick) // 2] if quick else None,
            "p99_ms": quick[len(quick) * 99 // 100] if quick else None,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--rate", type=float, default=2000, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warmup", type=float, default=0, help="leave what is sent in so many seconds out of the latencies")
    parser.add_argument("--posts", type=int, default=0, help="of a hundred requests")
    parser.add_argument("--body", type=int, default=512, help="octets of a POST")
    parser.add_argument("--slow-ms", type=float, default=1e9, help="leave answers that took so long out of the percentiles")
    parser.add_argument("--seed", type=int, default=0, help="part of every id")
    print(json.dumps(asyncio.run(Load(parser.parse_args()).run())))


if __name__ == "__main__":
    sys.exit(main())
