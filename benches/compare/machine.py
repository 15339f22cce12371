"""What a bench ran on: it stands with every figure."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path


def described(args) -> dict:
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "kernel": platform.release().split("-")[0],
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "proxy_core": args.proxy_core,
        "load_core": args.load_core,
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
