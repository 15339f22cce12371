#!/bin/sh
# System calls per request of the release binary (or of any peer, to compare) during a short wrk run.
#   benches/syscalls.sh [--peer NAME] [--scenario plain|tenants] [--duration S] [--tollgate FILE]
# The floor for a proxy is 4: a read and a write on either side, and their share of the epoll_waits.
exec python3 "$(dirname -- "$0")/compare/syscalls.py" "$@"
