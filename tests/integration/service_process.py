"""A process of the data plane as its pod would run it, with a probe to ask, a log to read, and an end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECONDS = 40


def wait_until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for something that another process does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


class ServiceProcess:
    """One run of a module."""

    def __init__(self, module: str, folder: Path, probe_port: int, environment: Mapping[str, str]) -> None:
        self.probe_port = probe_port
        self._log = (folder / f"log-{probe_port}-{time.monotonic_ns()}.jsonl").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, **environment, "EVENTPLANE_PROBE_PORT": str(probe_port)},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def probe(self, path: str) -> tuple[int, str]:
        """Ask a probe; status 0 is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probe_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self) -> None:
        wait_until(lambda: self.probe("/readyz")[0] == 200 or self._process.poll() is not None, "ready")
        assert self._process.poll() is None, self.log()

    def ended(self, seconds: float = SECONDS) -> int:
        return self._process.wait(seconds)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._log.close()

    def log(self) -> str:
        return Path(self._log.name).read_text()
