"""The process: wires the parts, serves probes, ends in an orderly way on SIGTERM, and with 1 on what it cannot mend."""

import asyncio
import dataclasses
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.health import Patience
from eventplane.runtime.assembly import assemble
from eventplane.runtime.probes import ProbeServer
from eventplane.runtime.settings import RuntimeSettings, read_settings
from eventplane.telemetry import configure_logging
from eventplane.tracing import configure_tracing
from eventplane.transports.process_settings import SettingsError, leave_last_words

logger = logging.getLogger("eventplane.runtime")

_MISCONFIGURED: Final = 2
_SOME_ATTEMPTS: Final = 2
"""After so many times the longest attempt, something must have ended."""


def main() -> int:
    """Run until told to end; return the exit code: 0 orderly, 1 something failed for good, 2 told wrongly."""
    try:
        settings = read_settings(os.environ)
        configure_logging(settings.log_level)
        configure_tracing(os.environ, "eventplane-runtime")
        return asyncio.run(run(settings))
    except SettingsError as error:
        configure_logging("INFO")
        logger.error("cannot start", extra={"fields": {"problem": str(error)}})  # noqa: TRY400 - it says all there is
        leave_last_words(os.environ, str(error))
        return _MISCONFIGURED


async def run(settings: RuntimeSettings) -> int:
    """Process events until SIGTERM, SIGINT, or a problem that only a new process can solve."""
    config = settings.config
    loop = asyncio.get_running_loop()
    problems: list[str] = []
    over = asyncio.Event()

    def fail(problem: str) -> None:
        problems.append(problem)
        over.set()

    assembly = assemble(settings, loop, fail)
    work = assembly.work
    probes = ProbeServer(assembly, _patience(config), settings.port)
    loop.set_exception_handler(lambda _loop, context: _unhandled(context, fail))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await probes.start()
    if await _is_first(assembly.lookups.start(), over.wait()):  # no event is taken before it can be looked up
        assembly.start()
        _spare_the_collector()
        logger.info("started", extra={"fields": {"group": config.group, "topics": list(config.topics)}})
        await _is_first(over.wait(), work.ended_event.wait())
    probes.is_stopping = True
    await assembly.intake.stop()
    await assembly.close()
    await probes.stop()
    problem = work.problem or next(iter(problems), None)
    if problem is None:
        logger.info("ended", extra={"fields": {"delivered": work.counts.delivered_in_all}})
        return 0
    logger.error("ended by a problem", extra={"fields": {"problem": problem}})
    return 1


def _patience(config: RuntimeConfig) -> Patience:
    """Wait for what the sink is given the time for."""
    least = Patience()
    longest = max(each.timeout_seconds for each in config.destinations.values())
    return dataclasses.replace(least, partition_seconds=max(least.partition_seconds, _SOME_ATTEMPTS * longest))


def _spare_the_collector() -> None:
    """Look for garbage in circles less often, and never in what stays: an event on its way is in none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _unhandled(context: Mapping[str, Any], fail: Callable[[str], None]) -> None:
    """End on an exception that nobody expected: an event that nobody works on any more must not be forgotten."""
    error = context.get("exception")
    logger.error(str(context.get("message")), exc_info=error)
    if error is not None:
        fail(f"unexpected: {type(error).__name__} {error}")


async def _is_first(*awaited: Coroutine[Any, Any, object]) -> bool:
    """Wait until one of them has ended, and tell whether the first has; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    for each in done:
        each.result()
    return tasks[0] in done
