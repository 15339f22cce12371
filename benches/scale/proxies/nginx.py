"""nginx: Debian's, a map from host to tenant in a file of its own, one worker; a new tenant by a reload."""

import os
import signal
from pathlib import Path

from peers.peer import on_path
from proxies.proxy import Proxy, Running, Setup
from tenants import RATE_PER_S, first_domain, identity


class Nginx(Proxy):
    key = name = "nginx"
    title = "nginx, map and reload"

    def binary(self) -> Path | None:
        return on_path("nginx")

    def prepare(self, setup: Setup) -> list[str]:
        population = setup.population
        with (setup.folder / "tenants.map").open("w") as out:
            for index in range(population.hosts):
                out.write(f"{population.host(index)} {identity(population.owner(index))};\n")
        path = setup.folder / "nginx.conf"
        path.write_text(_config(setup))
        return [str(self.binary()), "-p", str(setup.folder), "-e", "stderr", "-c", str(path)]

    def add(self, running: Running, number: int) -> None:
        with (running.setup.folder / "tenants.map").open("a") as out:
            out.write(f"{first_domain(number)} {identity(number)};\n")
        os.kill(int((running.setup.folder / "nginx.pid").read_text()), signal.SIGHUP)


def _config(setup: Setup) -> str:
    as_root = "user root;" if os.geteuid() == 0 else ""
    # A power of two with room for all, as nginx's own warning would ask for.
    buckets = max(8192, 1 << (2 * setup.population.hosts).bit_length())
    # nginx takes rates up to a limit of its own.
    rate = min(RATE_PER_S, 1_000_000)
    return f"""
{as_root}
daemon off;
pid nginx.pid;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    map_hash_max_size {buckets};
    map_hash_bucket_size 128;
    map $host $tenant {{
        default "";
        include {setup.folder / "tenants.map"};
    }}
    limit_req_zone $tenant zone=rate:128m rate={rate}r/s;
    limit_req_status 429;
    upstream origin {{
        server 127.0.0.1:{setup.origin_port};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{setup.port} backlog=4096;
        location / {{
            if ($tenant = "") {{ return 404; }}
            limit_req zone=rate burst=100000 nodelay;
            proxy_set_header X-Tenant-Id $tenant;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_pass http://origin;
        }}
    }}
}}
"""
