"""Who plays: the origin, and a proxy before it with a listener under TLS, one in clear text, and one with the PROXY protocol.

Proxies have the settings that they have by default, but for what a proxy on the Internet is given in any case (HAProxy's timeouts).
"""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from case import HOST, QUIET_HOST
from certificate import Certificate
from process import Child, Failure, Workspace, free_port, wait_until

BODY = "x" * 1023 + "\n"
BIG_BYTES = 4 * 2**20
READY_S = 20


@dataclass(frozen=True)
class Ports:
    tls: int
    plain: int
    proxy: int

    def of(self, layer: str) -> int:
        return {"h2": self.tls, "tls": self.tls, "plain": self.plain, "proxy": self.proxy}[layer]


class Origin:
    """One nginx worker: / is 1 KiB, /big is 4 MiB, /slow is 100 octets a second, /upload is / once the whole body is there."""

    def __init__(self, workspace: Workspace, name: str, core: int, first: list[str]):
        self.port = free_port()
        folder = workspace.subfolder(f"origin-{name}")
        for name, size in (("big", BIG_BYTES), ("slow", 10_000)):
            (folder / name).write_bytes(b"b" * size)
        config = folder / "nginx.conf"
        config.write_text(f"""
{as_root()}
daemon off; pid nginx.pid; worker_processes 1; worker_rlimit_nofile 60000;
events {{ worker_connections 30000; }}
http {{
    access_log off; default_type text/plain; sendfile on;
    keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
{TEMP}
    server {{
        # On loopback the kernel would take megabytes of each answer, until it drops everybody's packets (tcp_mem).
        listen 127.0.0.1:{self.port} backlog=8192 sndbuf=65536;
        root {folder};
        location / {{ return 200 "{BODY}"; }}
        location = /big {{ }}
        location = /upload {{ proxy_pass http://127.0.0.1:{self.port}/; }}
        location = /slow {{ limit_rate 100; error_page 405 =200 $uri; }}
    }}
}}
""")
        self.child: Child = workspace.start(f"origin-{name}", [*first, found("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)], core)
        wait_until(lambda: listens(self.child, self.port), READY_S, "the origin to listen")


@dataclass(frozen=True)
class Origins:
    """Of the attackers' host, and of the quiet client's."""

    attacked: Origin
    quiet: Origin


class Proxy:
    name: str
    label: str
    version_args = ["-v"]
    takes_proxy_protocol = True

    def binary(self) -> str | None:
        return found(self.name, required=False)

    def command(self, folder: Path, ports: Ports, origins: Origins, certificate: Certificate) -> list[str]:
        raise NotImplementedError

    def version(self) -> str:
        done = subprocess.run([self.binary(), *self.version_args], capture_output=True, text=True)
        words = (done.stdout + done.stderr).replace("/", " ").split()
        return next((word for word in words if word[0].isdigit()), "?")


class Tollgate(Proxy):
    name, label = "tollgate", "Tollgate"
    version_args = ["--version"]

    def __init__(self, binary: Path, further: str = ""):
        self._binary, self._further = binary, further

    def binary(self) -> str | None:
        return str(self._binary) if self._binary.is_file() else None

    def probe(self, folder: Path, certificate: Certificate) -> None:
        """Whether this build has the PROXY protocol: an older one refuses the key."""
        path = folder / "probe.yaml"
        path.write_text(self._config(Ports(free_port(), free_port(), free_port()), 1, 2, certificate))
        done = subprocess.run([self.binary(), "check", "--config", str(path)], capture_output=True, text=True)
        self.takes_proxy_protocol = done.returncode == 0

    def command(self, folder, ports, origins, certificate):
        path = folder / "tollgate.yaml"
        path.write_text(self._config(ports, origins.attacked.port, origins.quiet.port, certificate))
        return [self.binary(), "run", "--config", str(path)]

    def _config(self, ports, attacked, quiet, certificate) -> str:
        proxy = f"  - {{ bind: 127.0.0.1:{ports.proxy}, proxy_protocol: true }}" if self.takes_proxy_protocol else ""
        # Nobody is trusted but who attacks by the PROXY protocol: bounds of connections do not hold for those.
        trusted = "trusted_proxies: [127.0.200.1/32]" if self.takes_proxy_protocol else ""
        return f"""
listeners:
  - {{ bind: 127.0.0.1:{ports.tls}, tls: {{ certificates: [{{ cert: {certificate.cert}, key: {certificate.key} }}] }} }}
  - {{ bind: 127.0.0.1:{ports.plain} }}
{proxy}
{trusted}
admin: {{ bind: 127.0.0.1:{free_port()} }}
workers: 1
tenancy: {{ identify: [domain] }}
tenants:
  - {{ id: bench, domains: [{HOST}] }}
  - {{ id: quiet, domains: [{QUIET_HOST}], pool: quiet }}
pools:
  shared: {{ endpoints: [http://127.0.0.1:{attacked}] }}
  quiet: {{ endpoints: [http://127.0.0.1:{quiet}] }}
default_pool: shared
routes: [{{ match: {{ path_prefix: / }}, pool: "{{tenant.pool}}" }}]
{self._further}
"""


class Nginx(Proxy):
    name, label = "nginx", "nginx (Debian)"

    def command(self, folder, ports, origins, certificate):
        path = folder / "nginx.conf"
        path.write_text(f"""
{as_root()}
daemon off; pid nginx.pid; worker_processes 1; worker_rlimit_nofile 60000;
events {{ worker_connections 20000; }}
http {{
    access_log off;
{TEMP}
    ssl_certificate {certificate.cert}; ssl_certificate_key {certificate.key}; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    upstream attacked {{ server 127.0.0.1:{origins.attacked.port}; keepalive 256; keepalive_requests 1000000000; }}
    upstream quiet {{ server 127.0.0.1:{origins.quiet.port}; keepalive 256; keepalive_requests 1000000000; }}
    map $host $origin {{ {QUIET_HOST} quiet; default attacked; }}
    server {{
        listen 127.0.0.1:{ports.tls} ssl http2 backlog=4096;
        listen 127.0.0.1:{ports.plain} backlog=4096;
        listen 127.0.0.1:{ports.proxy} proxy_protocol backlog=4096;
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_pass http://$origin;
        }}
    }}
}}
""")
        return [self.binary(), "-p", str(folder), "-e", "stderr", "-c", str(path)]


class Haproxy(Proxy):
    name, label = "haproxy", "HAProxy (Debian)"

    def command(self, folder, ports, origins, certificate):
        path = folder / "haproxy.cfg"
        path.write_text(f"""
global
    nbthread 1
    maxconn 9000
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    http-reuse always
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout http-request 10s
    timeout http-keep-alive 75s

frontend edge
    bind 127.0.0.1:{ports.tls} ssl crt {certificate.both} alpn h2,http/1.1 backlog 4096
    bind 127.0.0.1:{ports.plain} backlog 4096
    bind 127.0.0.1:{ports.proxy} accept-proxy backlog 4096
    use_backend quiet if {{ req.hdr(host) -i {QUIET_HOST} }}
    default_backend attacked

backend attacked
    server one 127.0.0.1:{origins.attacked.port}

backend quiet
    server one 127.0.0.1:{origins.quiet.port}
""")
        return [self.binary(), "-db", "-f", str(path)]


def start(workspace: Workspace, proxy: Proxy, origins: Origins, certificate: Certificate, core: int, name: str) -> tuple[Child, Ports]:
    folder = workspace.subfolder(name)
    ports = Ports(free_port(), free_port(), free_port())
    child = workspace.start(name, proxy.command(folder, ports, origins, certificate), core)
    try:
        wait_until(lambda: serves(child, ports.tls), READY_S, f"{proxy.name} to serve {QUIET_HOST}")
    except Failure as failure:
        raise Failure(f"{failure}\n{child.log_tail()}") from None
    return child, ports


def serves(child: Child, port: int) -> bool:
    child.check_alive()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain, server_hostname=QUIET_HOST) as peer:
            peer.sendall(f"GET / HTTP/1.1\r\nHost: {QUIET_HOST}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while data := peer.recv(65536):
                answer += data
            return answer.startswith(b"HTTP/1.1 200") and answer.endswith(BODY.encode())
    return False


def listens(child: Child, port: int) -> bool:
    child.check_alive()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def found(name: str, required: bool = True) -> str | None:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin")
    if path is None and required:
        raise Failure(f"{name} is missing: run benches/compare/install")
    return path


def as_root() -> str:
    return "user root;" if os.geteuid() == 0 else ""


TEMP = "    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;"
