"""The process: wires the parts, serves, drains on SIGTERM, and ends with 1 on what it cannot mend."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

from eventplane.client import EventPublisher
from eventplane.gateway.app import Gateway
from eventplane.gateway.authentication import Authenticator, Verifier
from eventplane.gateway.directory import KafkaDirectory
from eventplane.gateway.metrics import GatewayMetrics
from eventplane.gateway.mounted import keep_fresh, mounted_certificate, mounted_rights
from eventplane.gateway.oidc import OidcVerifier
from eventplane.gateway.pages import public_pages
from eventplane.gateway.publishing import Publishing
from eventplane.gateway.server import GatewayServer
from eventplane.gateway.settings import GatewaySettings, read_settings
from eventplane.gateway.streaming import Streaming
from eventplane.gateway.token_reviews import TokenReviewer
from eventplane.probes import ProbeServer, exposition
from eventplane.telemetry import configure_logging
from eventplane.tracing import configure_tracing
from eventplane.transports.mounted import MountedError
from eventplane.transports.process_settings import SettingsError, leave_last_words

logger = logging.getLogger("eventplane.gateway")

_MISCONFIGURED: Final = 2
_ANSWER_SECONDS: Final = 1.0


def main() -> int:
    """Run until told to end; return the exit code: 0 orderly, 1 something failed for good, 2 told wrongly."""
    try:
        settings = read_settings(os.environ)
        configure_logging(settings.log_level)
        configure_tracing(os.environ, "eventplane-gateway")
        return uvloop.run(run(settings))
    except (SettingsError, MountedError) as error:
        configure_logging("INFO")
        logger.error("cannot start", extra={"fields": {"problem": str(error)}})  # noqa: TRY400 - it says all there is
        leave_last_words(os.environ, str(error))
        return _MISCONFIGURED


async def run(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        MountedError: grants or certificate are absent or wrong.
        SettingsError: certificates to trust are.
    """
    config = settings.config
    grants = mounted_rights(settings.grants)
    certificate = mounted_certificate(Path(config.certificate_dir)) if config.certificate_dir is not None else None
    metrics = GatewayMetrics()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    directory = KafkaDirectory(settings.broker.client, settings.broker.client_id, time.monotonic)
    publisher = EventPublisher(settings.broker, timeout_seconds=config.limits.publish_seconds)
    async with aiohttp.ClientSession() as session:
        publishing = Publishing(publisher, directory, config.limits, metrics)
        streaming = _streaming(settings, directory, metrics)
        pages = public_pages(config.limits)
        gateway = Gateway(_authenticator(settings, session), grants, publishing, streaming, metrics, pages)
        context = None if certificate is None else certificate.made
        server = GatewayServer(gateway, settings.host, settings.port, context, settings.drain_seconds)
        probes = _probes(settings.probe_port, metrics, gateway, directory, server)
        await probes.start()
        refreshes = [grants.refresh] if certificate is None else [grants.refresh, certificate.refresh]
        background = [asyncio.create_task(keep_fresh(*refreshes)), asyncio.create_task(_first_answer(directory))]
        logger.info("started", extra={"fields": {"port": settings.port}})
        code = await _serve(server, gateway, streaming, settings.linger_seconds, over)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await streaming.close()
        await publisher.close()
        await directory.close()
        await probes.stop()
    logger.info("ended")
    return code


def _probes(
    port: int, metrics: GatewayMetrics, gateway: Gateway, directory: KafkaDirectory, server: GatewayServer
) -> ProbeServer:
    """Alive: the event loop turns. Ready: Kafka has answered once, and nobody asked us to stop.

    A Kafka that is away later makes no replica unready: all would be, and requests are told 503 by themselves.
    """

    def why_not_ready() -> tuple[str, ...]:
        found = (
            ("stopping", gateway.is_stopping),
            ("Kafka has not answered yet", not directory.has_answer),
            ("not listening yet", not server.started),
        )
        return tuple(problem for problem, holds in found if holds)

    return ProbeServer(
        port,
        why_not_alive=tuple,
        why_not_ready=why_not_ready,
        scrape=lambda: exposition(metrics.registry),
    )


async def _serve(
    server: GatewayServer, gateway: Gateway, streaming: Streaming, linger_seconds: float, over: asyncio.Event
) -> int:
    """Serve until it is over, then drain; return the exit code."""
    serving = asyncio.create_task(server.serve())
    code = await _first(over, serving)
    gateway.is_stopping = True  # unready, and each answer closes its connection; who still sends is served
    await asyncio.wait([serving], timeout=linger_seconds)
    streaming.is_stopping = server.should_exit = True
    await serving
    return code


async def _first(over: asyncio.Event, serving: "asyncio.Task[None]") -> int:
    """Wait until it is over, or the server is; return the exit code."""
    waiting = asyncio.create_task(over.wait())
    await asyncio.wait([waiting, serving], return_when=asyncio.FIRST_COMPLETED)
    if over.is_set():
        return 0
    waiting.cancel()
    logger.error("the server has ended")
    return 1


def _streaming(settings: GatewaySettings, directory: KafkaDirectory, metrics: GatewayMetrics) -> Streaming:
    broker = settings.broker
    limits = settings.config.limits
    return Streaming(broker.client, broker.client_id, broker.schema_registry, directory, limits, metrics)


async def _first_answer(directory: KafkaDirectory) -> None:
    await directory.refresh()
    while not directory.has_answer:
        await asyncio.sleep(_ANSWER_SECONDS)
        await directory.refresh()


def _authenticator(settings: GatewaySettings, session: aiohttp.ClientSession) -> Authenticator:
    config, asked = settings.config, settings.config.token_reviews
    issuers: dict[str, Verifier] = {}
    for each in config.oidc:
        with _trusting(each.ca_file):
            issuers[each.issuer] = OidcVerifier(each, config.audience, session, time.time)
    reviews: Verifier | None = None
    if asked is not None:
        with _trusting(asked.ca_file):
            reviews = TokenReviewer(asked, config.audience, session)
    return Authenticator(issuers, reviews, config.believed_seconds, time.time)


@contextmanager
def _trusting(ca_file: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of TLS too, where the file holds something else
        problem = f"the certificates to trust cannot be read: {error.strerror or type(error).__name__}"
        raise SettingsError(f"caFile {ca_file}: {problem}") from error
