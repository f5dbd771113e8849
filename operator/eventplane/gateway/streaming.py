"""GET /v1/topics/{topic}/events: server-sent events, each read from Kafka only when the one before it is on its way.

A subscriber who does not read makes us wait, and Kafka keep: what is held for it is what one reader of librdkafka may
read ahead, and what the server buffers before it lets us wait.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from eventplane.api.gateway_config import Limits
from eventplane.client.data_reader import RegistryReader
from eventplane.events.expressions import ExpressionError
from eventplane.events.positions import PositionError, beginnings
from eventplane.events.record import Record
from eventplane.gateway.authentication import Caller
from eventplane.gateway.directory import Directory
from eventplane.gateway.exchange import Request, Send, start_of
from eventplane.gateway.metrics import GatewayMetrics
from eventplane.gateway.problems import ProblemError
from eventplane.gateway.sending import Chunk, Sending
from eventplane.transports.kafka_tail import KafkaTail, TailError

T = TypeVar("T")
_AT_ONCE: Final = 100
_WAIT_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 15.0
_STALLED_SECONDS: Final = 60.0
"""For how long a subscriber may not read at all."""
_AGAIN_SECONDS: Final = 2.0
_REGISTRY_SECONDS: Final = 1.0
_KIND: Final = "text/event-stream"
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to read what, and whether they still may."""

    caller: Caller
    topic: str
    may_go_on: Callable[[], bool]


class Streaming:
    """Serves subscribers, so many at a time.

    Args:
        client: settings of librdkafka.
        client_id: as whom topics are read.
        registry: settings of the registry's client; None: there is none.
        directory: knows topics.
        limits: what one process takes on.
        metrics: what is counted.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        client_id: str,
        registry: Mapping[str, Any] | None,
        directory: Directory,
        limits: Limits,
        metrics: GatewayMetrics,
    ) -> None:
        self._client = client
        self._client_id = client_id
        self._reader = None if registry is None else RegistryReader(registry, {})
        self._directory = directory
        self._limits = limits
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(limits.streams, "stream")
        self._open: Counter[str] = Counter()
        self.is_stopping = False
        metrics.streams.set_function(lambda: float(self._open.total()))

    async def serve(self, request: Request, send: Send, wish: Wish) -> None:
        """Serve a subscriber until it goes, or has to.

        Raises:
            ProblemError: nothing was sent yet.
            TimeoutError: it does not read, so the connection is of no use any more.
        """
        identity = wish.caller.identity
        self._check_room(identity)
        self._open[identity] += 1
        try:
            partitions = await self._directory.partitions(wish.topic)
            tail, sending = await self._opened(request, wish.topic, partitions)
            try:
                await self._served(request, send, wish, tail, sending)
            finally:
                await self._on_thread(tail.close)
        finally:
            self._open[identity] -= 1
            if not self._open[identity]:
                del self._open[identity]

    async def close(self) -> None:
        """Let go of threads and connections, once nobody is served any more."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._reader is not None:
            self._reader.close()

    def _check_room(self, identity: str) -> None:
        if self.is_stopping or self._open.total() >= self._limits.streams:
            problem = "this gateway serves as many subscribers as it can"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, problem, retry_after_seconds=_AGAIN_SECONDS)
        if self._open[identity] >= self._limits.streams_per_identity:
            problem = f"{identity} reads {self._limits.streams_per_identity} times at once already"
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, problem, retry_after_seconds=_AGAIN_SECONDS)

    async def _opened(self, request: Request, topic: str, partitions: int) -> tuple[KafkaTail, Sending]:
        query = request.query
        try:
            starts = beginnings(
                partitions, request.headers.get("last-event-id"), query.get("offset"), query.get("since")
            )
            Sending(topic, {}, query.get("filter"), None)  # before anything is opened for it
        except (PositionError, ExpressionError) as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from error
        try:
            tail = await self._on_thread(lambda: KafkaTail(self._client, self._client_id, topic, starts))
        except TailError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after_seconds=_AGAIN_SECONDS
            ) from error
        return tail, Sending(topic, tail.positions, query.get("filter"), self._reader)

    async def _served(self, request: Request, send: Send, wish: Wish, tail: KafkaTail, sending: Sending) -> None:
        # with its connection: a client that keeps one open afterwards would hold up our own end
        await send(start_of(HTTPStatus.OK, _KIND, _HEADERS, None, close=True))
        await _send(send, sending.heartbeat())
        gone = asyncio.create_task(request.gone())
        try:
            until = min(time.time() + self._limits.stream_seconds, wish.caller.expires_at)
            spoken = time.monotonic()
            held: Sequence[Record] = ()
            while not (gone.done() or self.is_stopping) and time.time() < until and wish.may_go_on():
                records = held or await self._on_thread(lambda: tail.read(_AT_ONCE, _WAIT_SECONDS))
                chunk = await self._written(sending, records)
                held = records if chunk is None else ()
                if chunk is not None and chunk.text:
                    self._metrics.sent.inc(chunk.events)
                    await _send(send, chunk.text)
                    spoken = time.monotonic()
                elif time.monotonic() - spoken > _HEARTBEAT_SECONDS:
                    await _send(send, sending.heartbeat())
                    spoken = time.monotonic()
            await _send(send, sending.heartbeat())
        except TailError:
            pass  # it comes again, and is told then
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _written(self, sending: Sending, records: Sequence[Record]) -> Chunk | None:
        if not records:
            return Chunk(b"", 0)
        chunk = await self._on_thread(lambda: sending.chunk(records))
        if chunk is None:
            await asyncio.sleep(_REGISTRY_SECONDS)
        return chunk

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def _send(send: Send, text: bytes) -> None:
    """Send on; waits while the client does not read. Raises TimeoutError."""
    async with asyncio.timeout(_STALLED_SECONDS):
        await send({"type": "http.response.body", "body": text, "more_body": True})
