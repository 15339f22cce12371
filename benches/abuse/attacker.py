#!/usr/bin/env python3
"""One process of an attack: `attacker.py CASE --port PORT …`, until SIGTERM; then a line of JSON about what became of it.

It says `going` as soon as its connections have been tried once. One epoll loop, octets that were encoded before: what it costs
is to be the kernel's copying, so that it can hurt.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import collections
import errno
import json
import select
import signal
import socket
import ssl
import time

from cases import CASES
from endings import Endings, Http1, Http2, Records

TICK_S = 0.05
PIECE = 65_536
READS_MAX = 16  # of a connection, before it is another's turn
GIVEN_UP_S = 10.0  # for what a connection takes to be made


class Connection:
    """One connection of the attack, from its SYN to its end."""

    def __init__(self, attack, script, address):
        self.attack, self.script = attack, script
        self.began = time.monotonic()
        self.sent = 0
        self.opening = None  # what is left of it
        self.out = memoryview(b"")
        self.session = None
        self.made = False
        self.over = False
        self.answers = attack.answers()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        if attack.case.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, attack.case.receive_buffer)
        # The port is chosen when it connects, not when it binds: thousands of one address share the range.
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        self.socket.bind((address, 0))
        refused = self.socket.connect_ex(("127.0.0.1", attack.port))
        if refused not in (0, errno.EINPROGRESS):
            self.ended(errno.errorcode.get(refused, str(refused)))
            return
        self.mask = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP
        attack.epoll.register(self.socket.fileno(), self.mask)
        attack.by_fd[self.socket.fileno()] = self

    # What the loop calls.

    def event(self, events):
        try:
            if not self.made:
                if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return self.ended(errno.errorcode.get(error, str(error)))
                self.begin()
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                # What nobody is to read is still looked at when the connection is at its end.
                if self.reads() or events & (select.EPOLLHUP | select.EPOLLERR):
                    self.receive()
            elif events & select.EPOLLRDHUP and not self.reads():
                self.receive()
            if not self.over and events & select.EPOLLOUT:
                self.send()
        except ssl.SSLError as error:
            self.ended(self.answers.how(f"TLS: {error.reason or 'closed'}"))
        except OSError as error:
            self.last_words()
            self.ended(self.answers.how("reset" if error.errno in (errno.ECONNRESET, errno.EPIPE) else str(error.strerror)))

    def trickle(self):
        if not self.over and self.made and not self.out and self.opening is not None:
            self.sent += len(self.script.trickle)
            self.put(self.script.trickle)
            self.event(select.EPOLLOUT)

    # Its own.

    def reads(self):
        return self.attack.case.reads or (self.session and self.opening is None)

    def begin(self):
        self.made = True
        self.attack.tried += 1
        if self.attack.case.layer == "h2":
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.session = self.attack.context.wrap_bio(self.incoming, self.outgoing, server_hostname=self.attack.host)
            self.handshake()
        else:
            self.open()

    def handshake(self):
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            self.open()
        self.out = memoryview(self.outgoing.read())

    def open(self):
        opening = self.script.opening() if callable(self.script.opening) else self.script.opening
        self.opening = memoryview(opening)

    def put(self, octets):
        if self.session:
            self.session.write(octets)
            octets = self.outgoing.read()
        self.out = memoryview(octets)

    def send(self):
        for _ in range(4):
            if not self.out and not self.refill():
                break
            count = self.socket.send(self.out)
            self.attack.octets += count
            self.out = self.out[count:]
            if self.out:
                return
        self.want(bool(self.out) or self.has_more())

    def has_more(self):
        return self.opening is not None and (bool(self.opening) or bool(self.script.repeat))

    def refill(self):
        if self.opening is None:
            return False
        if self.opening:
            piece, self.opening = self.opening[:PIECE], self.opening[PIECE:]
        elif self.script.repeat:
            piece = self.script.repeat
        else:
            if self.script.hangs_up == "sent":
                self.ended("the attacker left")
            return False
        self.sent += len(piece)
        self.put(piece)
        return True

    def want(self, writing):
        mask = select.EPOLLRDHUP | (select.EPOLLIN if self.reads() else 0) | (select.EPOLLOUT if writing else 0)
        if not self.over and mask != self.mask:
            self.mask = mask
            self.attack.epoll.modify(self.socket.fileno(), mask)

    def receive(self):
        for _ in range(READS_MAX):
            try:
                data = self.socket.recv(PIECE)
            except BlockingIOError:
                return
            if not self.take(data):
                return

    def take(self, data):
        """False when that was the end."""
        if not data:
            self.ended(self.answers.how("closed"))
            return False
        if self.session:
            self.incoming.write(data)
            if self.opening is None:
                self.handshake()
                if self.opening is None:
                    self.want(True)
                    return True
                self.want(True)
            try:
                while plain := self.session.read(PIECE):
                    self.answers.feed(plain)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self.ended(self.answers.how("closed"))
                return False
        else:
            self.answers.feed(data)
            if self.script.hangs_up == "answered":
                self.ended(self.answers.how("answered, the attacker left"))
                return False
        return True

    def last_words(self):
        """What had come before the connection broke: a GOAWAY may be among it, and more would come for whoever reads on."""
        try:
            for _ in range(READS_MAX):
                if self.over or not self.take(self.socket.recv(PIECE)):
                    break
        except OSError:
            pass

    def ended(self, how):
        if self.over:
            return
        self.over = True
        self.attack.by_fd.pop(self.socket.fileno(), None)
        self.socket.close()
        self.attack.tried += not self.made
        self.attack.endings.note(how, time.monotonic() - self.began, self.sent)
        self.answers.add_to(self.attack.answered)
        self.attack.one_less()


class Attack:
    def __init__(self, options):
        self.case = CASES[options.case]
        self.port, self.host = options.port, options.host
        self.script = self.case.script()
        self.epoll = select.epoll()
        self.by_fd: dict[int, Connection] = {}
        self.endings, self.answered = Endings(), collections.Counter()
        self.octets = self.tried = self.begun = 0
        self.stopped = False
        part = options.of
        self.wanted = self.case.connections // part + (options.number < self.case.connections % part)
        self.per_s = self.case.rate / part
        # 127.0.0.1 is the quiet client's.
        self.addresses = [f"127.0.{1 + options.number}.{1 + one}" for one in range(max(1, self.case.addresses // part))]
        if self.case.addresses == 1:
            # The PROXY header is read from who is trusted, whom other bounds do not hold for.
            self.addresses = ["127.0.200.1" if self.case.layer == "proxy" else "127.0.1.1"]
        self.again: collections.deque[float] = collections.deque()
        self.answers = {"h2": Http2, "tls": Records}.get(self.case.layer, Http1)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.context.set_alpn_protocols(["h2"])

    def connect(self):
        address = self.addresses[self.begun % len(self.addresses)]
        self.begun += 1
        return Connection(self, self.script, address)

    def one_less(self):
        if not self.per_s and not self.stopped:
            self.again.append(time.monotonic() + self.case.pause_s)

    def run(self):
        signal.signal(signal.SIGTERM, self.stop)
        began = time.monotonic()
        trickling: collections.deque[tuple[float, Connection]] = collections.deque()
        told = False
        while not self.stopped:
            now = time.monotonic()
            if self.per_s:
                due = min(int((now - began) * self.per_s) - self.begun, 200)
            else:
                # Not all in one go: the backlog is finite, and SYNs that are dropped come again a second later.
                due = min(self.wanted - self.begun, 100) if self.begun < self.wanted else 0
                while self.again and self.again[0] <= now and due < 100:
                    self.again.popleft()
                    due += 1
            for _ in range(due):
                one = self.connect()
                if self.script.trickle:
                    trickling.append((now + self.script.every_s, one))
            while trickling and trickling[0][0] <= now:
                _, one = trickling.popleft()
                if not one.over:
                    one.trickle()
                    trickling.append((now + self.script.every_s, one))
            if not told and (self.per_s or self.tried >= self.wanted or now - began > GIVEN_UP_S):
                told = True
                print("going", flush=True)
            behind = self.begun < self.wanted and not self.per_s
            for fd, events in self.epoll.poll(0.002 if self.per_s or behind else TICK_S, 256):
                if one := self.by_fd.get(fd):
                    one.event(events)
        self.report(time.monotonic() - began)

    def stop(self, *_):
        self.stopped = True

    def report(self, took_s):
        for one in list(self.by_fd.values()):
            if not self.case.reads and self.case.layer == "h2":
                one.last_words()
            if not one.over:
                held = "held" if one.made and (one.opening is not None) else "never made"
                one.ended(one.answers.how(held, still=True))
        answered = dict(self.answered.most_common(12))
        print(json.dumps({"took_s": took_s, "begun": self.begun, "octets": self.octets, "endings": self.endings.told(), "answered": answered}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--number", type=int, default=0, help="which of the attack's processes this is")
    parser.add_argument("--of", type=int, default=1, help="how many they are")
    Attack(parser.parse_args()).run()


if __name__ == "__main__":
    main()
