"""Tollgate with all that it has for tenants: two quotas, a fair seat, three header rules, the access log, a signed context, metrics."""

import subprocess

from peers.peer import Setup
from process import Failure
from scenario import PLAIN_HOST

TENANT = "bench"


def config(setup: Setup) -> str:
    """None of the limits is ever reached: their work is measured, not their refusals."""
    key = setup.folder / "context.key"
    done = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"openssl made no key: {done.stderr}")
    return f"""
listeners: [ {{ bind: 127.0.0.1:{setup.port} }} ]
admin: {{ bind: 127.0.0.1:{setup.spare_port} }}
workers: 1
store: sqlite:{setup.folder}/tollgate.db
access_log: {{ path: {setup.folder}/access.log, format: json }}
identity: {{ signed: {{ key_file: {key}, ttl: 60s }} }}
metrics: {{ tenants: 1000 }}
tenancy: {{ identify: [ domain ] }}
plans:
  std:
    quotas:
      - {{ name: monthly, meter: requests, limit: 1000000000, per: month }}
      - {{ name: egress, meter: response_bytes, limit: 100000GiB, per: month }}
    concurrency: {{ weight: 2, max: 1000, queue: 1000, max_wait: 5s }}
    request_headers: {{ set: {{ X-Tier: std }} }}
    response_headers: {{ set: {{ X-Served: tollgate }} }}
pools:
  shared:
    endpoints: [http://127.0.0.1:{setup.origin_port}]
    concurrency: {{ limit: 512 }}
default_pool: shared
routes:
  - match: {{ path_prefix: / }}
    request_headers: {{ set: {{ X-Client: "{{client_ip}}" }} }}
tenants:
  - {{ id: {TENANT}, plan: std, domains: [{PLAIN_HOST}] }}
"""
