"""The load of a new TLS connection for each request: processes of blocking clients, all on the load's core.

Python spends more on a handshake than a proxy does, so the proxy is not at its limit: of such a scenario the CPU time counts,
not requests/s. `handshakes.py PORT HOST SECONDS RESUME` is one client; it prints a line of JSON.
"""

import sys

sys.dont_write_bytecode = True

import json
import resource
import socket
import ssl
import subprocess
import time
from pathlib import Path

from process import CpuTime, Failure
from sanity import SUITE
from scenario import BODY, Scenario
from wrk import Load

CLIENTS = 8
PATIENCE_S = 15


def run(scenario: Scenario, port: int, core: int, duration_s: int) -> Load:
    resume = scenario.name == "resumed_tls"
    command = ["taskset", "-c", str(core), sys.executable, "-B", str(Path(__file__).resolve())]
    command += [str(port), scenario.hosts[0], str(duration_s), str(int(resume))]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(CLIENTS)]
    told = []
    try:
        for client in clients:
            out, error = client.communicate(timeout=duration_s + PATIENCE_S)
            if client.returncode:
                raise Failure(f"a client ended with {client.returncode}: {error}")
            told.append(json.loads(out))
    except subprocess.TimeoutExpired as error:
        raise Failure(f"a client had not ended {PATIENCE_S} s after its {duration_s} s") from error
    finally:
        for client in clients:
            client.kill()
            client.wait()
    took_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return merged(told, took_s, CpuTime(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime))


def merged(told: list[dict], took_s: float, cpu: CpuTime) -> Load:
    latencies = sorted(one for client in told for one in client["latencies_us"])
    if not latencies:
        raise Failure(f"no request was answered: {[client['first_error'] for client in told]}")
    return Load(
        requests=len(latencies),
        duration_s=took_s,
        p50_ms=latencies[len(latencies) // 2] / 1e3,
        p99_ms=latencies[len(latencies) * 99 // 100] / 1e3,
        max_ms=latencies[-1] / 1e3,
        status_errors=sum(client["wrong"] for client in told),
        socket_errors={kind: sum(client[kind] for client in told) for kind in ("failed", "not_as_asked")},
        cpu=cpu,
    )


def client(port: int, host: str, duration_s: float, resume: bool) -> dict:
    """Connect, ask, read to the end, close; again."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    told = {"latencies_us": [], "wrong": 0, "failed": 0, "not_as_asked": 0, "first_error": ""}
    session, end = None, time.monotonic() + duration_s
    while (began := time.monotonic()) < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                # The request must not wait until the end of the handshake is acknowledged, which not all do at once.
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with context.wrap_socket(plain, server_hostname=host, session=session) as peer:
                    peer.sendall(request)
                    answer = b""
                    while data := peer.recv(65536):
                        answer += data
                    as_asked = peer.version() == "TLSv1.3" and peer.cipher()[0] == SUITE and peer.session_reused == (session is not None)
                    # A ticket is used once (RFC 8446, C.4): the next connection has this one's.
                    session = peer.session if resume else None
        except OSError as error:
            told["failed"] += 1
            told["first_error"] = told["first_error"] or repr(error)
            continue
        told["latencies_us"].append(int((time.monotonic() - began) * 1e6))
        told["wrong"] += not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n" + BODY.encode()))
        told["not_as_asked"] += not as_asked
    return told


if __name__ == "__main__":
    print(json.dumps(client(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4] == "1")))
