"""The process: wires the parts, serves probes, ends in an orderly way on SIGTERM, and with 1 on what it cannot mend."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

from eventplane.api.quantities import milliseconds
from eventplane.events.health import Patience
from eventplane.runtime.endings import Ambience
from eventplane.runtime.engine import Engine, Ports
from eventplane.runtime.probes import ProbeServer
from eventplane.runtime.reading import DataReader
from eventplane.runtime.settings import RuntimeSettings, SettingsError, read_settings
from eventplane.telemetry import configure_logging
from eventplane.transports.http_sink import HttpSink, HttpTarget
from eventplane.transports.kafka_settings import consumer_settings, producer_settings
from eventplane.transports.kafka_source import KafkaSource, Reading
from eventplane.transports.kafka_writer import KafkaWriter
from eventplane.transports.seams import Sink, Writer
from eventplane.transports.topic_sink import TopicSink

logger = logging.getLogger("eventplane.runtime")

_FLUSH_SECONDS: Final = 5.0
_MISCONFIGURED: Final = 2


def main() -> int:
    """Run until told to end; return the exit code: 0 orderly, 1 something failed for good, 2 told wrongly."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        configure_logging("INFO")
        logger.error("cannot start", extra={"fields": {"problem": str(error)}})  # noqa: TRY400 - it says all there is
        return _MISCONFIGURED
    configure_logging(settings.log_level)
    return asyncio.run(run(settings))


async def run(settings: RuntimeSettings) -> int:
    """Process events until SIGTERM, SIGINT, or a problem that only a new process can solve."""
    config = settings.config
    loop = asyncio.get_running_loop()
    problems: list[str] = []
    over = asyncio.Event()

    def fail(problem: str) -> None:
        problems.append(problem)
        over.set()

    writer = KafkaWriter(producer_settings(settings.client, settings.client_id), loop, fail)
    sink = _sink(settings, writer)
    source = KafkaSource(
        consumer_settings(settings.client, config.group, settings.client_id, settings.instance_id),
        Reading(
            config.topics,
            config.retry.topics,
            config.start_from,
            settings.leave_seconds + _FLUSH_SECONDS,
        ),
        loop,
    )
    engine = Engine(
        config, Ports(source, sink, writer, _registry(settings)), Ambience(leave_seconds=settings.leave_seconds)
    )
    probes = ProbeServer(engine, source, Patience(), settings.port)
    loop.set_exception_handler(lambda _loop, context: _unhandled(context, fail))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await probes.start()
    source.start(engine)
    _spare_the_collector()
    logger.info("started", extra={"fields": {"group": config.group, "topics": list(config.topics)}})
    await _first(over, engine.ended_event)
    probes.is_stopping = True
    await source.stop()
    engine.close()
    await sink.close()
    await writer.close(_FLUSH_SECONDS)
    await probes.stop()
    problem = engine.problem or next(iter(problems), None)
    if problem is None:
        logger.info("ended", extra={"fields": {"delivered": engine.counts.delivered}})
        return 0
    logger.error("ended by a problem", extra={"fields": {"problem": problem}})
    return 1


def _sink(settings: RuntimeSettings, writer: Writer) -> Sink:
    config = settings.config
    if config.topic is not None:
        return TopicSink(config.topic.topic, writer)
    if config.http is None:
        raise SettingsError("http, topic: name exactly one of them")  # refused before; for type checkers
    return HttpSink(
        HttpTarget(
            url=config.http.url,
            timeout_seconds=milliseconds(config.http.timeout) / 1000,
            mode=config.http.content_mode,
            retry_statuses=frozenset(config.http.retry_statuses),
            token_file=settings.token_file,
            connections=config.delivery.concurrency,
        )
    )


def _registry(settings: RuntimeSettings) -> DataReader | None:
    config = settings.config
    if config.schema_registry_url is None:
        return None
    # here, since the registry's client takes as long to import as all the rest, and as much memory
    from eventplane.client.binding import registry_settings  # noqa: PLC0415
    from eventplane.runtime.registry import RegistryReader  # noqa: PLC0415

    told = {**registry_settings(settings.binding), "url": config.schema_registry_url}
    return RegistryReader(told, config.majors)


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


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    _done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
