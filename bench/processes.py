"""Processes that a bench runs beside itself: the floor's, to its end; the operator's, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import orjson

from bench.failure import BenchError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_STOP_SECONDS: Final = 15


async def run_floor(work: DataclassInstance, script: str = "bench.floor") -> dict[str, float]:
    """Run a floor in a process of its own; return what it measured.

    Args:
        work: what it is to do.
        script: the module that does it.

    Raises:
        BenchError: it failed.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", script, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    try:
        printed, complaints = await process.communicate(orjson.dumps(asdict(work)))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise BenchError(f"the floor failed: {complaints.decode('utf-8', 'replace')[-2000:]}")
    measured: dict[str, float] = orjson.loads(printed)
    return measured


@contextlib.asynccontextmanager
async def running(process: subprocess.Popen[bytes]) -> AsyncIterator[subprocess.Popen[bytes]]:
    """End a process of an own session with the context: by SIGTERM, and by SIGKILL if it does not listen."""
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_STOP_SECONDS)
