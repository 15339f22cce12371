"""Processes of a run: started pinned and under a temp folder, polled against deadlines, always killed.

Nothing here sleeps for an outcome: `wait_until` polls, and every wait names what it waited for.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
POLL_S = 0.01
TERMINATE_S = 1


class Failure(Exception):
    """The run can't go on, or one peer can't be measured; the message is for the operator."""


class Workspace:
    """A temp folder and the processes started in it; leaving it kills them and removes it."""

    def __init__(self, keep: bool = False):
        self.folder = Path(tempfile.mkdtemp(prefix="tollgate-bench-"))
        self._keep = keep
        self._children: list[Child] = []

    def __enter__(self) -> "Workspace":
        # A terminal that closes or a plain `kill` must clean up as Ctrl-C does, and Ctrl-C
        # also where a shell had it ignored for a background job.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _raise_interrupt)
        return self

    def __exit__(self, *_exc) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for child in self._children:
            child.kill()
        if self._keep:
            print(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def subfolder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def start(self, name: str, command: list[str], core: int | None, env: dict[str, str] | None = None) -> "Child":
        """Starts `command` in a process group of its own, pinned to `core`, its output in a log."""
        folder = self.subfolder(name)
        log = folder / "log"
        pinned = command if core is None else ["taskset", "-c", str(core), *command]
        with log.open("ab") as out:
            process = subprocess.Popen(
                pinned,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child


@dataclass
class Child:
    name: str
    process: subprocess.Popen
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """Asks the leader to end, so that a master reaps its workers, then ends the whole group."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, signal.SIGTERM)
        with contextlib.suppress(Failure):
            wait_until(self.has_ended, TERMINATE_S, f"{self.name} to end")
        # The leader is a zombie at most: the group's id is still ours.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)

    def has_ended(self) -> bool:
        # WNOWAIT leaves it a zombie, so that `kill` can still reach what is left of its group.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def check_alive(self) -> None:
        if self.has_ended():
            raise Failure(f"{self.name} exited early:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(predicate, timeout_s: float, what: str):
    """Polls until `predicate` returns something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        outcome = predicate()
        if outcome:
            return outcome
        if time.monotonic() > deadline:
            raise Failure(f"timed out after {timeout_s:g} s waiting for {what}")
        time.sleep(POLL_S)


def come_first(pid: int) -> None:
    """Whatever else runs on the machine gives way to this process, as far as that is permitted (sched(7), autogroups); what it is to itself stays the same."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-20")


def free_port() -> int:
    """A port that nobody listens on, below the range that outgoing connections draw from."""
    for _ in range(200):
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise Failure("no free port between 20000 and 30000")


@dataclass(frozen=True)
class CpuTime:
    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s

    def __add__(self, other: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s + other.user_s, self.system_s + other.system_s)

    def __sub__(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s - earlier.user_s, self.system_s - earlier.system_s)


def tree_cpu(root: int) -> CpuTime:
    """utime+stime of `root` and all below it, with the time of children they have already reaped."""
    user = system = 0
    for pid in tree(root):
        fields = _stat_fields(pid)
        if fields:
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return CpuTime(user / TICKS_PER_S, system / TICKS_PER_S)


def tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat_fields(int(entry))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found


def core_busy_s(core: int) -> float:
    """All time that `core` was not idle since boot, time stolen by the host included."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
    raise Failure(f"this machine has no core {core}")


def _stat_fields(pid: int) -> list[str] | None:
    """/proc/PID/stat after the command name, which may itself hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _raise_interrupt(_number, _frame):
    raise KeyboardInterrupt
