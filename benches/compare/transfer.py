"""The load of one large body after another on one connection: `transfer.py PORT HOST PATH TIMES FILE|-` sends the file, or takes an answer of a GiB.

What is taken the kernel throws away (MSG_TRUNC), what is sent it takes from its own memory (sendfile): the client is not the limit. Prints a line of JSON.
"""

import sys

sys.dont_write_bytecode = True

import json
import os
import socket
import subprocess
import time
from pathlib import Path

from process import Failure
from scenario import GIB, Scenario

PATIENCE_S = 60
BUFFER = 1 << 20


def run(port: int, scenario: Scenario, times: int, file: Path | None, core: int) -> dict:
    """Sends `file` so often, or takes the answer; returns `seconds` of each, the `wrong` ones, and the client's `cpu_s`."""
    command = ["taskset", "-c", str(core), sys.executable, "-B", str(Path(__file__).resolve())]
    command += [str(port), scenario.hosts[0], scenario.path, str(times), str(file or "-")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{times} bodies of a GiB had not passed after {PATIENCE_S} s") from error
    if done.returncode:
        raise Failure(f"the client failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def client(port: int, host: str, path: str, times: int, file: str) -> dict:
    told = {"seconds": [], "wrong": 0}
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as peer:
        # Blocking, so that sendfile and MSG_TRUNC are one call each for much.
        peer.settimeout(None)
        for _ in range(times):
            began = time.monotonic()
            told["wrong"] += not (take(peer, host, path) if file == "-" else send(peer, host, path, file))
            told["seconds"].append(time.monotonic() - began)
    times_ = os.times()
    return {**told, "cpu_s": times_.user + times_.system}


def take(peer: socket.socket, host: str, path: str) -> bool:
    """Whether a whole GiB came."""
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    status, length, begun = head(peer)
    taken, buffer = len(begun), bytearray(BUFFER)
    while taken < length:
        count = peer.recv_into(buffer, min(BUFFER, length - taken), socket.MSG_TRUNC)
        if not count:
            raise OSError(f"closed after {taken} octets of {length}")
        taken += count
    return status == 200 and taken == GIB


def send(peer: socket.socket, host: str, path: str, file: str) -> bool:
    """Whether the origin counted as many octets as were sent."""
    size = os.path.getsize(file)
    peer.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n".encode())
    with open(file, "rb") as body:
        sent = 0
        while sent < size:
            sent += os.sendfile(peer.fileno(), body.fileno(), sent, size - sent)
    status, length, answer = head(peer)
    while len(answer) < length:
        data = peer.recv(65536)
        if not data:
            raise OSError("closed in the middle of an answer")
        answer += data
    return status == 200 and answer == str(size).encode()


def head(peer: socket.socket) -> tuple[int, int, bytes]:
    """Of an answer: its status, its Content-Length, and what came of its body with it."""
    got = b""
    while b"\r\n\r\n" not in got:
        # Not much: what is read here is copied.
        data = peer.recv(4096)
        if not data:
            raise OSError("closed before an answer")
        got += data
    fields, _, begun = got.partition(b"\r\n\r\n")
    lines = fields.decode("latin-1").lower().split("\r\n")
    length = next((line.partition(":")[2] for line in lines if line.startswith("content-length:")), "0")
    return int(lines[0].split()[1]), int(length), begun


if __name__ == "__main__":
    port, host, path, times, file = sys.argv[1:]
    print(json.dumps(client(int(port), host, path, int(times), file)))
