"""A million tenants into SQLite by the command line, with a progress bar on a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass

import stores as store_files
from api import TOKEN
from bench import Bar, Bench, Outcome, need
from figures import MIB, head, row
from gateway import Gateway
from process import Failure
from stores import Stores
from tenants import Population, document

BAR_S = 120  # for a million; in proportion for fewer
MILLION = 1_000_000
DEADLINE_S = 1800
# What a terminal is told to begin a line again, and what else ends a frame of a progress bar.
_FRAME = re.compile(rb"\r|\n|\x1b\[[0-9;?]*[A-Za-z]")


def run(bench: Bench, stores: Stores) -> Outcome:
    population = Population(bench.tenants)
    folder = bench.workspace.subfolder("import")
    ndjson = folder / "tenants.ndjson"
    population.write_ndjson(ndjson)
    store = folder / "tollgate.db"
    gateway = Gateway(bench, "import", store=store).start()
    try:
        done = _import(bench, gateway, ndjson)
        peak_bytes = store_files.size(store)
        exported = _check_export(gateway, population)
        gateway.prove(population.host(0), document(0)["id"])
    finally:
        gateway.stop()
    closed_bytes = store_files.size(store)
    stores.keep(population.count, store)
    # A small run is all start-up.
    limit_s = max(2.0, BAR_S * population.count / MILLION)
    outcome = Outcome(raw={"took_s": done.took_s, "bytes": closed_bytes, "frames": len(done.frames), "said": done.said})
    outcome.bars = [
        Bar(f"{population.count:,} tenants imported", done.took_s, limit_s, "s", 1),
        Bar("frames of the progress bar", len(done.frames), 2 if bench.quick else 10, digits=0, at_least=True),
    ]
    outcome.lines = head("tenants", "domains", "NDJSON, MiB", "took, s", "tenants/s", "store, MiB (open, closed)", "bytes a tenant")
    outcome.lines.append(
        row(
            f"{population.count:,}", f"{population.hosts:,}", f"{ndjson.stat().st_size / MIB:,.0f}", f"{done.took_s:.1f}",
            f"{population.count / done.took_s:,.0f}", f"{peak_bytes / MIB:,.0f}, {closed_bytes / MIB:,.0f}",
            f"{closed_bytes / population.count:,.0f}",
        )
    )  # fmt: skip
    outcome.lines.append("")
    outcome.note(f"`/export` gave {exported:,} tenants back, and a thousandth of them, compared, as they were.")
    if done.frames:
        outcome.note(f"The progress bar, as it stood in the middle: `{done.frames[len(done.frames) // 2]}`")
    return outcome


@dataclass(frozen=True)
class Import:
    took_s: float
    frames: list[str]  # of the progress bar, each once
    said: str


def _import(bench: Bench, gateway: Gateway, ndjson) -> Import:
    """Runs the command with its standard error on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    command = [
        "taskset", "-c", str(bench.load_core), str(bench.tollgate), "tenant", "import", str(ndjson),
        "--admin", f"http://127.0.0.1:{gateway.admin_port}", "--output", "json",
    ]  # fmt: skip
    env = {**os.environ, "TOLLGATE_TOKEN": TOKEN, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    try:
        out, shown = _read_both(process, ours, began + DEADLINE_S)
        code = process.wait(10)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(ours)
    took_s = time.monotonic() - began
    if code != 0:
        raise Failure(f"`tenant import` exited {code}: {out[-400:]!r} {shown[-400:]!r}")
    return Import(took_s, frames(shown), out.decode(errors="replace").strip())


def _read_both(process: subprocess.Popen, terminal: int, deadline: float) -> tuple[bytes, bytes]:
    out, shown = b"", b""
    open_ = {process.stdout.fileno(), terminal}
    while open_:
        if time.monotonic() > deadline:
            raise Failure(f"`tenant import` had not ended after {DEADLINE_S} s")
        readable, _, _ = select.select(open_, [], [], 1)
        for descriptor in readable:
            try:
                data = os.read(descriptor, 65536)
            except OSError:  # how a terminal says that the other side is closed
                data = b""
            if not data:
                open_.discard(descriptor)
            elif descriptor == terminal:
                shown += data
            else:
                out += data
    return out, shown


def frames(shown: bytes) -> list[str]:
    """What a terminal was shown one after another in one place, if it has figures and differs from what was there."""
    found: list[str] = []
    for frame in _FRAME.split(shown):
        text = frame.decode(errors="replace").strip()
        if re.search(r"\d", text) and text not in found:
            found.append(text)
    return found


def _check_export(gateway: Gateway, population: Population) -> int:
    count = 0
    for line in gateway.api.lines("/api/v1/export"):
        if count % 1000 == 0:
            number = count
            told, sent = json.loads(line), document(number)
            differs = [key for key, value in sent.items() if _normal(told.get(key)) != _normal(value)]
            need(not differs, f"/export: {sent['id']} came back with other {', '.join(differs)}: {told}")
        count += 1
    need(count == population.count, f"/export gave {count:,} tenants, not {population.count:,}")
    return count


def _normal(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value
