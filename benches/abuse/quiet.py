#!/usr/bin/env python3
"""The well-behaved client: requests at their times, over HTTP/1.1 and HTTP/2 under TLS, whatever becomes of those before them.

`quiet.py --port PORT … --out FILE` runs until SIGTERM and then writes, for each request, when it was due (CLOCK_MONOTONIC), how long after that
its answer was whole, and whether it was right. Each kind has connections of its own, made before; one that is lost is made anew.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import asyncio
import collections
import ctypes
import json
import os
import random
import signal
import ssl
import struct
import time

import frames

PATIENCE_S = 5.0
H1_MAX = 200  # connections, when those there are have an answer outstanding


class H1(asyncio.Protocol):
    """A kept-alive connection with one request at a time."""

    def __init__(self, client):
        self.client, self.buffer, self.asked = client, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, request):
        self.asked = request
        self.transport.write(self.client.h1_request)

    def data_received(self, data):
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower()
        length = fields.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0]
        if not length or len(rest) < int(length):
            return
        self.buffer = b""
        request, self.asked = self.asked, None
        self.client.answered(request, head[9:12] == b"200" and len(rest) == self.client.body)
        if b"\r\nconnection: close" in fields:
            self.transport.close()
        else:
            self.client.h1_idle.append(self)

    def connection_lost(self, _error):
        self.client.h1_open -= 1
        if self in self.client.h1_idle:
            self.client.h1_idle.remove(self)
        if self.asked:
            self.client.answered(self.asked, False)


class H2(asyncio.Protocol):
    """A connection with any number of requests; a window of which no answer takes much."""

    def __init__(self, client):
        self.client, self.reader, self.stream, self.gone = client, frames.Reader(), 1, False
        self.open: dict[int, list] = {}
        self.received = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.write(frames.PREFACE + frames.settings((frames.ENABLE_PUSH, 0)) + frames.window_update(0, 2**30))

    def ask(self, request):
        self.open[self.stream] = [request, None, 0]
        self.transport.write(frames.headers(self.stream, self.client.h2_block))
        self.stream += 2

    def data_received(self, data):
        for kind, flags, stream, payload in self.reader.feed(data):
            if kind == frames.SETTINGS and not flags & frames.ACK:
                self.transport.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
            elif kind == frames.PING and not flags & frames.ACK:
                self.transport.write(frames.frame(frames.PING, frames.ACK, 0, payload))
            elif kind == frames.GOAWAY:
                self.gone = True
            elif stream in self.open:
                self.about(kind, flags, stream, payload)
        if self.gone and not self.open:
            self.transport.close()

    def about(self, kind, flags, stream, payload):
        one = self.open[stream]
        if kind == frames.HEADERS and one[1] is None:
            # A change of the table's size may come first.
            while payload and payload[0] & 0xE0 == 0x20:
                payload = payload[1:]
            one[1] = payload[:1] == frames.indexed(frames.STATUS_200)
        elif kind == frames.DATA:
            one[2] += len(payload)
            self.received += len(payload)
            if self.received > 2**20:
                self.transport.write(frames.window_update(0, self.received))
                self.received = 0
        if kind == frames.RST_STREAM or (kind in (frames.DATA, frames.HEADERS) and flags & frames.END_STREAM):
            del self.open[stream]
            self.client.answered(one[0], kind != frames.RST_STREAM and one[1] and one[2] == self.client.body)

    def connection_lost(self, _error):
        self.gone = True
        for request, _, _ in self.open.values():
            self.client.answered(request, False)
        self.open.clear()


class Client:
    def __init__(self, options):
        self.port, self.host, self.body, self.out = options.port, options.host, options.body, options.out
        self.rate, self.random = options.rate, random.Random(options.seed)
        self.h1_request = f"GET / HTTP/1.1\r\nHost: {options.host}\r\n\r\n".encode()
        self.h2_block = frames.request(options.host)
        self.h1_idle: collections.deque[H1] = collections.deque()
        self.h1_open = 0
        self.h2: list[H2 | None] = [None] * options.h2_connections
        self.found: list[tuple[float, float, bool, str]] = []
        self.pending: set[tuple] = set()
        self.tasks = set()
        self.stopped = asyncio.Event()

    def answered(self, request, right):
        if request in self.pending:
            self.pending.discard(request)
            due, protocol = request
            self.found.append((due, time.monotonic() - due, bool(right), protocol))

    async def connect(self, protocol, alpn):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([alpn])
        loop = asyncio.get_running_loop()
        making = loop.create_connection(lambda: protocol(self), "127.0.0.1", self.port, ssl=context, server_hostname=self.host)
        return (await asyncio.wait_for(making, PATIENCE_S))[1]

    async def over_h1(self, request):
        if self.h1_open >= H1_MAX:
            return self.answered(request, False)
        self.h1_open += 1
        try:
            connection = await self.connect(H1, "http/1.1")
        except (OSError, asyncio.TimeoutError, ssl.SSLError):
            self.h1_open -= 1
            return self.answered(request, False)
        connection.ask(request)

    async def over_h2(self, which, request):
        try:
            connection = self.h2[which]
            if connection is None or connection.gone:
                connection = await self.connect(H2, "h2")
                self.h2[which] = connection
            connection.ask(request)
        except (OSError, asyncio.TimeoutError, ssl.SSLError):
            self.answered(request, False)

    def begin(self, number, due):
        protocol = "h2" if number % 2 else "h1"
        request = (due, protocol)
        self.pending.add(request)
        if protocol == "h1":
            while self.h1_idle:
                connection = self.h1_idle.popleft()
                if not connection.transport.is_closing():
                    return connection.ask(request)
            self.task(self.over_h1(request))
        else:
            which = number // 2 % len(self.h2)
            connection = self.h2[which]
            if connection is not None and not connection.gone and not connection.transport.is_closing():
                return connection.ask(request)
            self.task(self.over_h2(which, request))

    def task(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopped.set)
        for _ in range(8):
            self.h1_open += 1
            self.h1_idle.append(await self.connect(H1, "http/1.1"))
        for which in range(len(self.h2)):
            self.h2[which] = await self.connect(H2, "h2")
        print("going", flush=True)
        timer, number, due = Timer(), 0, time.monotonic() + 0.01

        def tick():
            nonlocal number, due
            timer.read()
            now = time.monotonic()
            while due <= now:
                self.begin(number, due)
                number += 1
                due += self.random.expovariate(self.rate)
            timer.at(due)

        timer.at(due)
        loop.add_reader(timer.fd, tick)
        await self.stopped.wait()
        loop.remove_reader(timer.fd)
        deadline = time.monotonic() + PATIENCE_S
        while self.pending and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for request in list(self.pending):
            self.answered(request, False)
        with open(self.out, "w", encoding="ascii") as file:
            json.dump(self.found, file)


class Timer:
    """A timerfd: asyncio's own timers are those of epoll, whole milliseconds."""

    _libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self):
        self.fd = self._libc.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC)  # CLOCK_MONOTONIC
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def at(self, moment):
        """Once, at this moment or at once if it is over."""
        moment = max(moment, time.monotonic() + 1e-6)
        value = struct.pack("qqqq", 0, 0, int(moment), max(1, int(moment % 1 * 1e9)))
        self._libc.timerfd_settime(self.fd, 1, value, None)  # TFD_TIMER_ABSTIME

    def read(self):
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--rate", type=float, default=400, help="requests a second, half of them over each protocol")
    parser.add_argument("--body", type=int, required=True, help="octets of a right answer")
    parser.add_argument("--h2-connections", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    asyncio.run(Client(parser.parse_args()).run())


if __name__ == "__main__":
    main()
