"""Server processes: started in a session of their own, recognised by pid and start time.

A started process writes its identity to a file before it becomes the server, so there is no
moment in which it runs and nothing on disk knows of it.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.servers.polling import poll

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The kernel sends the parent-death signal when the *thread* that forked ends, so one thread that
# lives as long as this interpreter starts all processes.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")

_EXITED = "Z"
_STOPPED = "T"
_RECORD_THEN_BECOME = 'cat /proc/$$/stat >"$0" && exec "$@"'


@dataclass(frozen=True)
class ProcessId:
    """A process; the start time (clock ticks since boot) tells it from a later one of that pid."""

    pid: int
    started: int

    @property
    def running(self) -> bool:
        """Whether this very process exists and has not exited."""
        state = _state(self)
        if state == _EXITED:
            _reap(self.pid)
        return state not in {None, _EXITED}

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to its group if it leads one, unless it has ended."""
        if self.running:
            leads = os.getpgid(self.pid) == self.pid
            (os.killpg if leads else os.kill)(self.pid, number)

    def pause(self, seconds: float = 10) -> None:
        """Stop the process by SIGSTOP and return when none of its threads runs; raise TimeoutError after `seconds`.

        The signal has been sent before it has arrived: meanwhile a busy server may answer once more.
        """
        self.send(signal.SIGSTOP)
        if not poll(lambda: not self.running or _is_stopped(self), seconds):
            raise TimeoutError(f"process {self.pid} goes on for {seconds} s after SIGSTOP")

    def end(self, seconds: float = 10) -> None:
        """Kill the process and return when it is gone; raise TimeoutError after `seconds`.

        The data of these servers is thrown away or recovered from a crash by design, so they get
        no time to shut down: a broker that lost its quorum would wait for minutes.
        """
        self.send(signal.SIGKILL)
        if not poll(lambda: not self.running, seconds):
            raise TimeoutError(f"process {self.pid} survived SIGKILL for {seconds} s")


def process_id(pid: int) -> ProcessId | None:
    """Return the identity of the process that has a pid now, None where none has."""
    found = _read(Path(f"/proc/{pid}/stat"))
    return found[0] if found else None


def recorded(record: Path) -> ProcessId | None:
    """Return the running process that `record` names, None if it ended or never was."""
    found = _read(record)
    return found[0] if found and found[0].running else None


def spawn(
    command: Sequence[str],
    *,
    record: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    outlive: bool,
) -> ProcessId:
    """Start `command` in its own session, its output appended to `log`, its identity in `record`.

    Unless it shall `outlive` this interpreter, the kernel kills it when this interpreter ends,
    however it ends.
    """
    bound = [] if outlive else ["setpriv", "--pdeathsig", "KILL", "--"]
    argv = [*bound, "/bin/sh", "-c", _RECORD_THEN_BECOME, str(record), *command]
    process = _STARTER.submit(_spawn, argv, log, dict(env or {})).result()
    if process is None or not poll(lambda: recorded(record) == process, seconds=10):
        raise ChildProcessError(f"{command[0]} ended at once or did not start: see {log}")
    return process


def _spawn(argv: list[str], log: Path, env: dict[str, str]) -> ProcessId | None:
    to_log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawnp(
        argv[0],
        argv,
        {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **env},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), to_log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return process_id(pid)


def _state(process: ProcessId) -> str | None:
    found = _read(Path(f"/proc/{process.pid}/stat"))
    return found[1] if found and found[0] == process else None


def _is_stopped(process: ProcessId) -> bool:
    tasks = Path(f"/proc/{process.pid}/task").glob("*/stat")
    return all(found is None or found[1] == _STOPPED for found in map(_read, tasks))  # None: that thread has ended


def _read(stat: Path) -> tuple[ProcessId, str] | None:
    """Return identity and state from a file in the form of /proc/<pid>/stat, None where it is missing or incomplete."""
    try:
        # proc(5): "pid (name) state ...", the start time is field 22; the name may hold anything.
        before, _, after = stat.read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = after.split()
    if len(fields) < 20:
        return None
    return ProcessId(int(before.split(" ", 1)[0]), int(fields[19])), fields[0]


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # started by another process, which reaps it
