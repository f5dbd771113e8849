"""CreateTopics by a client that returns what the broker answers: librdkafka drops the new topics' ids.

Without the ids one would have to wait until brokers show the topics, and a broker makes the files of one batch before
it shows the next: seconds for a single topic that comes after a thousand others.
"""

import asyncio
import base64
import logging
import socket
import ssl
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError as PythonKafkaError
from kafka.errors import KafkaTimeoutError, RequestTimedOutError
from kafka.net.inet import KafkaNetSocket

from eventplane.backends.tls import client_context
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.topic_changes import CreateTopic

# it logs its settings, passwords included, at DEBUG; what matters comes back as errors
logging.getLogger("kafka").setLevel(logging.CRITICAL)

_BROKERS_DEFAULT: Final = -1
_CLOSE_SECONDS: Final = 0.8
_RECONNECT_MAX_MS: Final = 250


@dataclass(frozen=True, slots=True)
class CreatedTopic:
    """What the broker made of a request; None where the user may not see it."""

    topic_id: str
    partitions: int | None
    replication_factor: int | None


class TopicCreator:
    """A connection and a thread of its own, opened by the first creation and again after a failure."""

    def __init__(self, connection: KafkaConnection, *, client_id: str, timeout_seconds: float) -> None:
        self._connection = connection
        self._client_id = client_id
        self._timeout_ms = int(timeout_seconds * 1000)
        self._client: _Client | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{client_id}-create")

    def create(self, changes: Sequence[CreateTopic], made: dict[str, CreatedTopic]) -> Mapping[str, Future[None]]:
        """Send one request; each topic's future ends when it is answered.

        Args:
            changes: topics to create, few enough for one request.
            made: what was created is entered here before its future ends.
        """
        futures: dict[str, Future[None]] = {change.topic: Future() for change in changes}
        self._thread.submit(self._create, changes, made, futures)
        return futures

    def connect(self) -> None:
        """Connect in the background, so that the first creation need not; a failure shows when it is needed."""
        if not self._closed:
            self._thread.submit(self._connected)

    async def close(self) -> None:
        """End the connection and the thread, without waiting long for an answer under way; harmless twice."""
        if self._closed:
            return
        self._closed = True
        ending = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)
        await asyncio.wait([ending], timeout=_CLOSE_SECONDS)

    def _create(
        self, changes: Sequence[CreateTopic], made: dict[str, CreatedTopic], futures: Mapping[str, Future[None]]
    ) -> None:
        try:
            answer = self._connected().create_topics(
                {change.topic: _options(change) for change in changes}, timeout_ms=self._timeout_ms, raise_errors=False
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must be told
            self._disconnect()
            failure = _failure(error)
            for future in futures.values():
                future.set_exception(failure)
            return
        for topic in answer["topics"]:
            future = futures[topic["name"]]
            if topic["error_code"]:
                refusal = KafkaError(topic["error_code"], topic["error_message"] or None)
                future.set_exception(KafkaException(refusal))
            else:
                made[topic["name"]] = _created(topic)
                future.set_result(None)

    def _connected(self) -> "_Client":
        if self._client is None:
            self._client = _Client(**self._settings())
        return self._client

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _settings(self) -> dict[str, Any]:
        connection = self._connection
        return {
            "bootstrap_servers": list(connection.bootstrap_servers),
            "client_id": self._client_id,
            "security_protocol": connection.protocol,
            "ssl_context": self._tls() if connection.tls else None,
            "sasl_mechanism": connection.mechanism,
            "sasl_plain_username": connection.username,
            "sasl_plain_password": connection.password,
            "request_timeout_ms": self._timeout_ms,
            "bootstrap_timeout_ms": self._timeout_ms,
            "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
            "proxy_url": _Socket.URL,
        }

    def _tls(self) -> ssl.SSLContext:
        return client_context(self._connection.ca_pem, self._connection.certificate_pem, self._connection.key_pem)


class _Client(KafkaAdminClient):  # type: ignore[misc]  # untyped
    """The library's client, which leaves its thread and sockets behind where its constructor fails."""

    def __init__(self, **settings: Any) -> None:
        self._closed = False
        try:
            super().__init__(**settings)
        except BaseException:
            with suppress(AttributeError):  # it failed before there was anything to close
                self.close()
            raise


class _Socket(KafkaNetSocket):  # type: ignore[misc]  # untyped
    """The library's way to connect, which leaves the socket to the garbage collector where it is cut short."""

    SCHEMES = ("direct",)
    URL: Final = "direct://"
    """Where the library takes a proxy's address: the one way to give it a socket of another make."""

    async def sock_connect(
        self, net: object, sock: socket.socket, sockaddr: tuple[object, ...], timeout_at: float | None = None
    ) -> socket.socket:
        """Connect, or close the socket."""
        try:
            connected: socket.socket = await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
        return connected


def _options(change: CreateTopic) -> dict[str, Any]:
    return {
        "num_partitions": _BROKERS_DEFAULT if change.partitions is None else change.partitions,
        "replication_factor": _BROKERS_DEFAULT if change.replication_factor is None else change.replication_factor,
        "configs": dict(change.config),
    }


def _created(topic: Mapping[str, Any]) -> CreatedTopic:
    identity = base64.urlsafe_b64encode(uuid.UUID(str(topic["topic_id"])).bytes).decode().rstrip("=")
    partitions, factor = topic["num_partitions"], topic["replication_factor"]
    return CreatedTopic(identity, partitions if partitions > 0 else None, factor if factor > 0 else None)


def _failure(error: Exception) -> KafkaException:
    """Say it in librdkafka's words, which the rest of the backend understands."""
    code = KafkaError._TRANSPORT  # noqa: SLF001 - librdkafka's name for a connection that failed
    if isinstance(error, KafkaTimeoutError | RequestTimedOutError | TimeoutError):
        code = KafkaError._TIMED_OUT  # noqa: SLF001
    elif isinstance(error, PythonKafkaError) and error.errno > 0:
        code = error.errno
    elif isinstance(error, ssl.SSLError):
        code = KafkaError._SSL  # noqa: SLF001
    return KafkaException(KafkaError(code, f"{type(error).__name__}"))
