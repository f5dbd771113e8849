"""The process of a relay: told by environment and bindings, ends on SIGTERM, and with 1 on what it cannot mend."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from typing import Final

from eventplane.client.configuration import config_from_environment
from eventplane.client.errors import ConfigurationError
from eventplane.eventstore.configuration import backend_of, url_from_environment
from eventplane.eventstore.errors import EventStoreError
from eventplane.eventstore.relay.probes import ProbeServer
from eventplane.eventstore.relay.relay import RefusedError, Relay, RelaySettings
from eventplane.eventstore.relay.routes import Routes
from eventplane.telemetry import configure_logging
from eventplane.transports.process_settings import SettingsError, whole_number

logger = logging.getLogger("eventplane.eventstore.relay")

_MISCONFIGURED: Final = 2


def main() -> int:
    """Run until told to end; return the exit code: 0 orderly, 1 something failed for good, 2 told wrongly."""
    configure_logging(os.environ.get("EVENTPLANE_LOG_LEVEL", "INFO"))
    try:
        settings = read_settings(os.environ)
        url = url_from_environment(os.environ)
        port = whole_number(os.environ, "EVENTPLANE_PROBE_PORT", 8080)
    except (ConfigurationError, SettingsError) as error:
        logger.error("cannot start", extra={"fields": {"problem": str(error)}})  # noqa: TRY400 - it says all there is
        return _MISCONFIGURED
    return asyncio.run(run(url, settings, port))


async def run(url: str, settings: RelaySettings, port: int) -> int:
    """Relay until SIGTERM or SIGINT, or a problem that somebody has to look at; answer probes meanwhile."""
    over = asyncio.Event()
    backend = backend_of(url)
    relay = Relay(backend, settings)

    def end() -> None:
        relay.progress.is_stopping = True
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    probes = ProbeServer(port, relay.progress, backend)
    await probes.start()
    logger.info("started", extra={"fields": {"relay": settings.name, "probe_port": probes.port}})
    try:
        await relay.run(over)
    except (EventStoreError, RefusedError) as error:
        logger.error("ended by a problem", extra={"fields": {"problem": str(error)}})  # noqa: TRY400 - as above
        return 1
    finally:
        await probes.stop()
        await backend.close()
    return 0


def read_settings(environment: Mapping[str, str]) -> RelaySettings:
    """Read what a relay is told by environment and binding.

    Raises:
        ConfigurationError: naming the variable or file.
    """
    kafka = config_from_environment(environment)
    told = environment.get("EVENTPLANE_RELAY_TOPICS") or ",".join(kafka.topics[:1])
    try:
        routes = Routes.parse(told)
        idle_seconds = float(environment.get("EVENTPLANE_RELAY_IDLE_SECONDS", "10"))
    except ValueError as error:
        raise ConfigurationError(f"EVENTPLANE_RELAY_TOPICS, EVENTPLANE_RELAY_IDLE_SECONDS: {error}") from error
    return RelaySettings(
        name=environment.get("EVENTPLANE_RELAY_NAME", "eventstore"),
        client=kafka.client,
        routes=routes,
        positions_topic=environment.get("EVENTPLANE_RELAY_POSITIONS", "eventstore-positions"),
        transactional_id_prefix=kafka.transactional_id_prefix or "",
        may_begin_anew=environment.get("EVENTPLANE_RELAY_START") == "beginning",
        idle_seconds=idle_seconds,
    )
