"""Runs other programs: short ones for their output, long ones into a log that is shown when they fail.

Every program gets its own process group, and whatever still runs is stopped by `stop_running`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from e2e.cluster.paths import log_dir
from e2e.cluster.steps import tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from e2e.cluster.steps import Step

Words: TypeAlias = "Sequence[str | Path]"

_running: set[subprocess.Popen[bytes]] = set()
_registering = threading.Lock()
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class HarnessError(Exception):
    """The harness cannot go on; the message says why and what the user can do."""


class CommandError(HarnessError):
    """A program failed; the message holds its name, exit code and last words."""


def find_program(name: str) -> Path | None:
    """Return the program's path, looking in the administrator's directories too."""
    found = shutil.which(name) or shutil.which(name, path=_ADMIN_PATH)
    return Path(found) if found else None


def output(
    args: Words,
    *,
    env: Mapping[str, str] | None = None,
    feed: bytes | None = None,
    timeout: float = 60.0,
) -> str:
    """Run a short command and return what it printed.

    Args:
        args: program and arguments; never secrets, since others can read them.
        env: variables added to our own environment.
        feed: bytes given to its standard input.
        timeout: seconds until it is stopped.

    Raises:
        CommandError: it failed, took too long, or is not there.
    """
    words = [str(word) for word in args]
    with _started(words, env, subprocess.PIPE, subprocess.PIPE, stdin=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(feed, timeout)
        except subprocess.TimeoutExpired as late:
            raise CommandError(f"{_name(words)} gave no answer within {timeout:.0f} s") from late
    if process.returncode:
        raise CommandError(f"{_name(words)} failed ({process.returncode}): {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


def succeeds(args: Words, *, env: Mapping[str, str] | None = None, timeout: float = 60.0) -> bool:
    """Say whether a short command ends well."""
    try:
        output(args, env=env, timeout=timeout)
    except CommandError:
        return False
    return True


def logged(
    args: Words,
    log_name: str,
    step: Step,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: IO[bytes] | None = None,
    gentle: bool = False,
) -> Path:
    """Run a long command with its output in a log; return the log.

    Args:
        args: program and arguments.
        log_name: name of the log in the log directory; overwritten.
        step: what the user is told about; its heartbeat shows the log's last line.
        env: variables added to our own environment.
        cwd: working directory.
        stdin: file given as standard input.
        gentle: run at low priority, for compilers.

    Raises:
        CommandError: it failed; the message holds the log's tail and path.
    """
    words = [*(["nice", "-n", "10"] if gentle and shutil.which("nice") else []), *(str(word) for word in args)]
    log = log_dir() / f"{log_name}.log"
    step.doing(log_name, log)
    with log.open("wb") as sink, _started(words, env, sink, subprocess.STDOUT, cwd=cwd, stdin=stdin) as process:
        code = process.wait()
    if code:
        raise CommandError(f"{_name(words)} failed ({code}); the end of {log}:\n{tail(log)}")
    return log


def piped(source: Words, sink: Words, log_name: str, step: Step, *, env: Mapping[str, str]) -> None:
    """Feed one command's output to another, whose own output goes to a log; raises CommandError if either fails."""
    words = [str(word) for word in source]
    with _started(words, env, subprocess.PIPE, subprocess.DEVNULL) as process:
        logged(sink, log_name, step, env=env, stdin=process.stdout)
        if process.wait():
            raise CommandError(f"{_name(words)} failed ({process.returncode})")


@contextmanager
def _started(
    words: list[str],
    env: Mapping[str, str] | None,
    stdout: IO[bytes] | int,
    stderr: int,
    *,
    cwd: Path | None = None,
    stdin: IO[bytes] | int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            words,
            env={**os.environ, **(env or {})},
            stdout=stdout,
            stderr=stderr,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            cwd=cwd,
            start_new_session=True,
        )
    except FileNotFoundError as absent:
        raise CommandError(f"{words[0]} is not installed") from absent
    with _registering:
        _running.add(process)
    try:
        yield process
    finally:
        with _registering:
            _running.discard(process)
        if process.poll() is None:
            _stop_group(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def stop_running() -> None:
    """Stop every program that still runs, with its children."""
    with _registering:
        processes = list(_running)
    for process in processes:
        _stop_group(process)


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue


def _name(words: Sequence[str]) -> str:
    program = words[3:] if words[0] == "nice" else words
    return " ".join(program[:4]) + (" ..." if len(program) > 4 else "")
