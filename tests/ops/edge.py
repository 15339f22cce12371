"""What check-edge checks with: a gateway with a TLS and a clear listener, and HTTP/2 frame by frame."""

import contextlib
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

from hpack import Encoder
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame, SettingsFrame

HOST, SHOP = "edge.example.test", "one.shop.example.test"
DEADLINE_S = 30
POLL_S = 0.1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

CONFIG = """
listeners:
  - bind: 127.0.0.1:{tls}
    tls: {{ certificates: [{{ cert: {folder}/edge.pem, key: {folder}/edge.key }}, {{ cert: {folder}/shop.pem, key: {folder}/shop.key }}] }}
  - bind: 127.0.0.1:{plain}
admin: {{ bind: 127.0.0.1:{admin} }}
workers: 1
tenancy: {{ identify: [domain] }}
tenants: [{{ id: edge, domains: [edge.example.test, "*.shop.example.test"] }}]
pools: {{ shared: {{ endpoints: ["http://127.0.0.1:{app}"] }} }}
default_pool: shared
routes: [{{ match: {{ path_prefix: / }} }}]
"""


class Scene:
    """The sample application and the gateway before it."""

    def __init__(self, stack, folder, binary):
        self.stack, self.folder = stack, folder
        self.tls, self.plain, self.admin, app = (free_port() for _ in range(4))
        certificate(folder, "edge", HOST, "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        certificate(folder, "shop", "*.shop.example.test", "rsa:2048")
        config = folder / "tollgate.yaml"
        config.write_text(CONFIG.format(tls=self.tls, plain=self.plain, admin=self.admin, app=app, folder=folder))
        self.ready("app", self.start("app", binary, "sample-app", "--bind", f"127.0.0.1:{app}", "--name", "app", "--pool", "shared"), f"http://127.0.0.1:{app}/healthz")
        self.gateway = self.start("gateway", binary, "run", "--config", str(config))
        self.ready("gateway", self.gateway, f"http://127.0.0.1:{self.admin}/readyz")

    def start(self, name, *command):
        log = self.stack.enter_context(open(self.folder / f"{name}.log", "w"))
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.stack.callback(end, process)
        return process

    def log(self, name="gateway"):
        return (self.folder / f"{name}.log").read_text()

    def ready(self, name, process, url):
        deadline = time.monotonic() + DEADLINE_S
        while fetch(url) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"check-edge: {name} did not come up at {url}\n{self.log(name)[-4000:]}")
            time.sleep(POLL_S)

    def metric(self, name, **labels):
        """The sum of the series of this name with these labels."""
        total = 0.0
        for line in (fetch(f"http://127.0.0.1:{self.admin}/metrics") or "").splitlines():
            if re.match(rf"{name}[ {{]", line) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def connect(self, protocol="h2", name=HOST):
        context = ssl.create_default_context(cafile=str(self.folder / "edge.pem"))
        context.set_alpn_protocols([protocol])
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.tls), 10), server_hostname=name)


class Frames:
    """A connection on which any frame may be sent; it answers no SETTINGS and no PING by itself."""

    def __init__(self, scene):
        self.socket = scene.connect()
        self.encoder = Encoder()
        self.encoder.huffman = True
        self._rest = b""
        self.closed = False
        self.send(PREFACE, SettingsFrame(0))

    def send(self, *frames):
        """Frames, or octets as they are; that the other side has closed is found when reading."""
        with contextlib.suppress(OSError):
            self.socket.sendall(b"".join(one if isinstance(one, bytes) else one.serialize() for one in frames))

    def request(self, *further, method="GET", path="/", authority=HOST):
        pseudo = [(":method", method), (":scheme", "https"), (":path", path), (":authority", authority)]
        return self.encoder.encode([*pseudo, *further])

    def until(self, wanted):
        """The first frame that `wanted` says yes to, or None at the connection's end or after a while."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for frame in self._frames():
                if wanted(frame):
                    return frame
            try:
                data = self.socket.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return None
            self._rest += data
        return None

    def _frames(self):
        while len(self._rest) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._rest[:9]))
            if len(self._rest) < 9 + length:
                return
            frame.parse_body(memoryview(self._rest[9 : 9 + length]))
            self._rest = self._rest[9 + length :]
            yield frame

    def goaway(self):
        """The code of the GOAWAY that ends the connection; None without one."""
        codes = []
        while frame := self.until(lambda frame: isinstance(frame, GoAwayFrame)):
            codes.append(frame.error_code)
        return codes[-1] if codes and self.closed else None

    def reset(self, stream):
        """The code with which the stream is reset; or "answered", or None."""
        frame = self.until(lambda frame: frame.stream_id == stream)
        return frame.error_code if isinstance(frame, RstStreamFrame) else "answered" if frame else None

    def close(self):
        self.socket.close()


def certificate(folder, name, host, *key):
    """Self-signed, and good for longer than what is warned of."""
    command = ["openssl", "req", "-x509", "-nodes", "-days", "90", "-newkey", *key, "-subj", f"/CN={host}"]
    command += ["-addext", f"subjectAltName=DNS:{host}", "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"]
    subprocess.run(command, check=True, capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url):
    """The text of a 200, else None."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return response.read().decode()
    except OSError:
        return None


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()
