"""Tenants that come and go by the admin API: `churn.py PORT TOKEN SECONDS` puts one, deletes it, and so on; prints how many calls that were."""

import http.client
import json
import socket
import sys
import time

PATIENCE_S = 10


def main() -> None:
    port, token, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.connect()
    # Head and body are two writes: the second must not wait for the first one's acknowledgement.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    calls, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        path = f"/api/v1/tenants/churn-{calls // 2}"
        if calls % 2:
            connection.request("DELETE", path, headers=headers)
        else:
            document = {"plan": "std", "domains": [f"churn-{calls // 2}.example.test"]}
            connection.request("PUT", path, json.dumps(document), headers)
        answer = connection.getresponse()
        body = answer.read()
        if not 200 <= answer.status < 300:
            sys.exit(f"{path}: {answer.status} {body[:200]!r}")
        calls += 1
    print(calls)


if __name__ == "__main__":
    main()
