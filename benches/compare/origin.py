"""The application behind the proxies: one nginx worker that answers 1 KiB, 1 MiB or 1 GiB, or takes a body, and never closes a connection.

It tells, in `X-Seen-Tenant`, which X-Tenant-Id reached it: that is how `sanity` knows that a peer added it.
"""

import os
import shutil
import sys
from pathlib import Path

from process import Child, CpuTime, Failure, Workspace, free_port, tree_cpu, wait_until
from sanity import get
from scenario import BODY, CONTEXT, DOWN, DOWN_1G, GIB, LARGE, PLAIN_HOST, UP, UP_1G, Scenario

class Origin:
    def __init__(self, workspace: Workspace, core: int):
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if nginx is None:
            raise Failure("the origin needs nginx: run benches/compare/install")
        self.port = free_port()
        folder = workspace.subfolder("origin")
        config = folder / "nginx.conf"
        config.write_text(_config(self.port, free_port()))
        (folder / DOWN.path.lstrip("/")).write_text(DOWN.body)
        # Of one hole: it takes no room on the disk, and is sent from memory once it was read.
        self.gib = folder / DOWN_1G.path.lstrip("/")
        with self.gib.open("wb") as out:
            out.truncate(GIB)
        command = [nginx, "-p", str(folder), "-e", "stderr", "-c", str(config)]
        self.child: Child = workspace.start("origin", command, core)
        # It would answer before it has read a body: this one takes it all, and tells how much it was.
        self._sink_port = free_port()
        self._sink = workspace.start("sink", [sys.executable, "-B", str(Path(__file__).with_name("sink.py")), str(self._sink_port)], core)
        wait_until(lambda: self._answers(self.port) and self._answers(self._sink_port), 5, "the origin to answer")

    def port_of(self, scenario: Scenario) -> int:
        return self._sink_port if scenario.path == UP_1G.path else self.port

    @property
    def children(self) -> list[Child]:
        return [self.child, self._sink]

    def cpu(self) -> CpuTime:
        return tree_cpu(self.child.pid) + tree_cpu(self._sink.pid)

    def _answers(self, port: int) -> bool:
        for child in self.children:
            child.check_alive()
        answer = get(port, PLAIN_HOST)
        return answer is not None and answer.status == 200


def _config(port: int, behind: int) -> str:
    as_root = "user root;" if os.geteuid() == 0 else ""
    return f"""
{as_root}
daemon off;
pid nginx.pid;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        add_header X-Seen-Tenant $http_x_tenant_id;
        location / {{ return 200 "{BODY}"; }}
        location = {DOWN.path} {{ root .; }}
        location = {DOWN_1G.path} {{ root .; }}
        # What an application is told of a tenant, and can't be forged.
        location = {CONTEXT} {{ return 200 "$http_x_tollgate_context"; }}
        # nginx answers of itself before it has read a body: so somebody else does, who is not sent it.
        location = {UP.path} {{
            client_max_body_size {2 * LARGE}; client_body_buffer_size {2 * LARGE};
            proxy_pass_request_body off; proxy_set_header Content-Length "";
            proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_pass http://behind;
        }}
    }}
    upstream behind {{ server 127.0.0.1:{behind}; keepalive 256; }}
    server {{
        listen 127.0.0.1:{behind} backlog=4096;
        location / {{ return 200 "{BODY}"; }}
    }}
}}
"""
