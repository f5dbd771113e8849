"""Knows and stops the processes we left running: by pid, and only if they still are what we started."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from e2e.cluster.commands import CommandError

_STOP_SECONDS = 30.0


def recorded(pid_file: Path, mark: str) -> int | None:
    """Return the pid in a file if that process still has `mark` in its command line: pids are reused."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if mark in _command_line(pid) else None


def named(program: str, mark: str) -> list[int]:
    """Return the processes whose command line has both a program's name and `mark`."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if program in (line := _command_line(pid)) and mark in line]


def stop(pid: int) -> None:
    """Ask a process to end, then make it; raises CommandError if it stays."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not _command_line(pid):  # gone, or a zombie that its parent has not noticed
                return
            time.sleep(0.05)
    raise CommandError(f"process {pid} does not end")


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
