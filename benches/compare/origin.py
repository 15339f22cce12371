"""The application behind the proxies: one nginx worker that answers 1 KiB and never closes a connection.

It tells, in `X-Seen-Tenant`, which X-Tenant-Id reached it: that is how `sanity` knows that a peer added it.
"""

import os
import shutil

from process import Child, Failure, Workspace, free_port, wait_until
from sanity import get
from scenario import BODY, PLAIN_HOST


class Origin:
    def __init__(self, workspace: Workspace, core: int):
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if nginx is None:
            raise Failure("the origin needs nginx: run benches/compare/install")
        self.port = free_port()
        folder = workspace.subfolder("origin")
        config = folder / "nginx.conf"
        config.write_text(_config(self.port))
        command = [nginx, "-p", str(folder), "-e", "stderr", "-c", str(config)]
        self.child: Child = workspace.start("origin", command, core)
        wait_until(self._answers, 5, "the origin to answer")

    def _answers(self) -> bool:
        self.child.check_alive()
        answer = get(self.port, PLAIN_HOST)
        return answer is not None and answer.status == 200


def _config(port: int) -> str:
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
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        add_header X-Seen-Tenant $http_x_tenant_id;
        location / {{ return 200 "{BODY}"; }}
    }}
}}
"""
