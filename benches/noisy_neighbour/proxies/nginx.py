"""nginx, Debian's: as it comes, and with so many requests in flight a tenant."""

import os
from pathlib import Path

from peers.nginx import Nginx
from proxies.proxy import Configured, Setup

IN_FLIGHT = 10


class PlainNginx(Configured, Nginx):
    key = "nginx"
    title = "nginx, no limits"
    file = "nginx.conf"
    limits = ""

    def arguments(self, binary: Path, path: Path) -> list[str]:
        return [str(binary), "-p", str(path.parent), "-e", "stderr", "-c", str(path)]

    def config(self, setup: Setup) -> str:
        as_root = "user root;" if os.geteuid() == 0 else ""
        return f"""
{as_root}
daemon off;
pid nginx.pid;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    proxy_read_timeout 1h;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    map $host $tenant {{ default ""; ~^(?<label>[^.]+)\\. $label; }}
    limit_conn_zone $tenant zone=in_flight:10m;
    limit_conn_status 429;
    limit_conn_log_level info;
    upstream origin {{
        server 127.0.0.1:{setup.origin_port};
        keepalive 6000;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{setup.port} backlog=8192;
        location / {{
            {self.limits}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Tenant-Id $tenant;
            proxy_pass http://origin;
        }}
    }}
}}
"""


class CappedNginx(PlainNginx):
    key = "nginx-10"
    title = f"nginx, `limit_conn` {IN_FLIGHT} a tenant"
    limits = f"limit_conn in_flight {IN_FLIGHT};"
