"""The operator under test: a local process of this checkout, so that its memory and its processor time are its own."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from bench.counters import ADMIN_CALLS, API_CALLS, QUEUE_DEPTH, Counts, read_operator
from bench.failure import BenchError
from bench.processes import running

_MIB: Final = 1024 * 1024
_QUIET_SECONDS: Final = 2.0
_TAIL: Final = 3000


@dataclass(frozen=True)
class OperatorProcess:
    """The operator, running."""

    process: psutil.Process
    port: int
    log: Path
    started: float
    """When the process was started, `time.perf_counter`."""

    async def counts(self) -> Counts:
        """Read its counters."""
        return await read_operator(f"http://127.0.0.1:{self.port}/metrics")

    def cpu_seconds(self) -> float:
        """Return the processor time it has used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Return its resident memory."""
        return round(self.process.memory_info().rss / _MIB, 1)

    def peak_rss_mib(self) -> float | None:
        """Return the most resident memory it ever had, where the system knows it."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return round(int(found[1]) / 1024, 1) if found else None

    async def leading(self) -> None:
        """Wait until it leads; the phase around it sets the limit."""
        async with aiohttp.ClientSession() as session:
            while True:
                self._check_alive()
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
                        if (await response.text()).strip() == "leading":
                            return
                await asyncio.sleep(0.05)

    async def idle(self) -> None:
        """Wait until it has had nothing to do for a while; the phase around it sets the limit."""
        quiet_since, known = time.perf_counter(), None
        while time.perf_counter() - quiet_since < _QUIET_SECONDS:
            self._check_alive()
            counts = await self.counts()
            calls = counts[API_CALLS]["PATCH"] + counts[API_CALLS]["POST"], _changes(counts)
            if sum(counts[QUEUE_DEPTH].values()) or calls != known:
                quiet_since, known = time.perf_counter(), calls
            await asyncio.sleep(0.2)

    def _check_alive(self) -> None:
        if not self.process.is_running() or self.process.status() == psutil.STATUS_ZOMBIE:
            raise BenchError(f"the operator ended; the end of its log:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-_TAIL:]


@contextlib.asynccontextmanager
async def operator(kubeconfig: Path, resync_seconds: float | None = None) -> AsyncIterator[OperatorProcess]:
    """Run the operator with its default settings, but without election and with a resync period of one's own.

    When something fails meanwhile, the end of its log is shown.
    """
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVENTPLANE_")} | {
        "KUBECONFIG": str(kubeconfig),
        "EVENTPLANE_LEADER_ELECTION": "false",
        "EVENTPLANE_IDENTITY": "bench",
        "EVENTPLANE_PROBE_PORT": str(port),
        "MALLOC_ARENA_MAX": "1",  # as in the chart
    }
    if resync_seconds is not None:
        environment["EVENTPLANE_RESYNC_SECONDS"] = str(resync_seconds)
    with tempfile.TemporaryDirectory(prefix="eventplane-bench-") as directory:
        log = Path(directory) / "operator.log"
        started = time.perf_counter()
        with log.open("wb") as sink:
            process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                [sys.executable, "-m", "eventplane.controllers.main"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        async with running(process):
            under_test = OperatorProcess(psutil.Process(process.pid), port, log, started)
            try:
                yield under_test
            except Exception:
                print(f"--- the end of the operator's log\n{under_test.log_tail()}", file=sys.stderr)
                raise


def _changes(counts: Counts) -> int:
    reads = Counter({api: count for api, count in counts[ADMIN_CALLS].items() if not api.startswith("Describe")})
    return sum(reads.values())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
