"""A second connection to Kafka, by kafka-python, for the requests that librdkafka does badly.

Of CreateTopics it drops the new topics' ids. Of DescribeUserScramCredentials it corrupts its memory, and ends the
process, where the broker refuses the request as a whole. In AlterUserScramCredentials it hashes passwords while all
its other requests wait.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from kafka.admin import KafkaAdminClient
from kafka.errors import BrokerResponseError, KafkaTimeoutError, RequestTimedOutError
from kafka.net.inet import KafkaNetSocket

from eventplane.backends.kafka.token_failures import in_librdkafkas_words
from eventplane.backends.kafka.token_provider import NoTokenError, TokenProvider
from eventplane.planning.connection import KafkaConnection
from eventplane.tls import client_context

# it logs its settings, passwords included, at DEBUG; what matters comes back as errors
logging.getLogger("kafka").setLevel(logging.CRITICAL)

K = TypeVar("K")
R = TypeVar("R")

_CLOSE_SECONDS: Final = 0.8
_RECONNECT_MAX_MS: Final = 250


class Admin(KafkaAdminClient):  # type: ignore[misc]  # untyped
    """The library's client, which leaves its thread and sockets behind where its constructor fails."""

    def __init__(self, **settings: Any) -> None:
        self._closed = False
        try:
            super().__init__(**settings)
        except BaseException:
            with suppress(AttributeError):  # it failed before there was anything to close
                self.close()
            raise

    def exchange(self, request: Any, timeout_ms: int, *, coordinator: Any = None) -> Any:
        """Send a request to any broker, or to a coordinator, and return the answer as it is, errors included.

        Args:
            request: what to send.
            timeout_ms: how long the answer is waited for.
            coordinator: a coordinator as FindCoordinator told of it.
        """

        async def send() -> Any:
            node = None
            if coordinator is not None:
                cluster = self._manager.cluster
                node = cluster.add_coordinator(coordinator, 0, coordinator.key, synthesize_node_id=False)
            return await self._manager.send(request, node_id=node, request_timeout_ms=timeout_ms)

        return self._manager.run(send)


class WireClient:
    """A connection and a thread of its own, opened by the first request and again after a failure."""

    def __init__(self, connection: KafkaConnection, *, client_id: str, thread: str, timeout_seconds: float) -> None:
        """Prepare to connect.

        Args:
            connection: where and as whom.
            client_id: what the brokers' logs and quotas know this client by.
            thread: the thread's name, which begins with the client's id.
            timeout_seconds: how long an answer is waited for, and for the requests before it.
        """
        self._connection = connection
        self._client_id = client_id
        self._timeout_seconds = timeout_seconds
        self._tokens = TokenProvider(connection.tokens, timeout_seconds) if connection.tokens is not None else None
        self._admin: Admin | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=thread)

    def ask(self, keys: Iterable[K], work: Callable[[Admin, int], Mapping[K, R | KafkaError]]) -> Mapping[K, Future[R]]:
        """Let something be asked in the thread; each key's future ends with its answer.

        Args:
            keys: what is asked about.
            work: asks, within so many milliseconds, and returns the answers by key.
        """
        futures: dict[K, Future[R]] = {key: Future() for key in keys}
        if self._closed:
            for future in futures.values():
                future.set_exception(KafkaException(KafkaError(KafkaError._DESTROY)))  # noqa: SLF001 - librdkafka's name
        else:
            self._thread.submit(self._work, work, futures, time.monotonic() + self._timeout_seconds)
        return futures

    def connect(self) -> None:
        """Connect in the background, so that the first request need not; a failure shows when it is needed."""
        if not self._closed:
            self._thread.submit(self._connected, int(self._timeout_seconds * 1000))

    async def close(self) -> None:
        """End the connection and the thread, without waiting long for an answer under way; harmless twice."""
        if self._closed:
            return
        self._closed = True
        ending = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)
        await asyncio.wait([ending], timeout=_CLOSE_SECONDS)

    def _work(
        self,
        work: Callable[[Admin, int], Mapping[K, R | KafkaError]],
        futures: Mapping[K, Future[R]],
        deadline: float,
    ) -> None:
        answers: Mapping[K, R | KafkaError] = {}
        missing = KafkaError(KafkaError.UNKNOWN, "left out of the answer")
        failed = False
        try:
            admin = self._connected(_milliseconds_until(deadline))
            answers = work(admin, _milliseconds_until(deadline))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must be told
            failed, missing = True, failure(error)
        for key, future in futures.items():
            answer = answers.get(key, missing)
            if isinstance(answer, KafkaError):
                future.set_exception(KafkaException(answer))
            else:
                future.set_result(answer)
        if failed:  # only now: it may fail too, and those who wait have been told
            self._disconnect()

    def _connected(self, timeout_ms: int) -> Admin:
        if self._admin is None:
            if self._tokens is not None:
                self._tokens.token()  # the library would ask again and again instead of telling why there is none
            self._admin = Admin(**self._settings(), bootstrap_timeout_ms=timeout_ms)
        return self._admin

    def _disconnect(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

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
            "sasl_oauth_token_provider": self._tokens,
            "request_timeout_ms": int(self._timeout_seconds * 1000),
            "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
            "proxy_url": _Socket.URL,
        }

    def _tls(self) -> ssl.SSLContext:
        return client_context(self._connection.ca_pem, self._connection.certificate_pem, self._connection.key_pem)


class _Socket(KafkaNetSocket):  # type: ignore[misc]  # untyped
    """The library's way to connect, by sockets that end with their last reference.

    It forgets them where connecting, or the handshake after it, is cut short.
    """

    SCHEMES = ("direct",)
    URL: Final = "direct://"
    """Where the library takes a proxy's address: the one way to give it a socket of another make."""

    def socket(self, *kind: int) -> "_ForgottenIsClosed":
        """Make one of a family, a type and a protocol."""
        return _ForgottenIsClosed(*kind)


class _ForgottenIsClosed(socket.socket):
    def __del__(self) -> None:
        self.close()


def _milliseconds_until(deadline: float) -> int:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return max(1, int(left * 1000))


def failure(error: Exception) -> KafkaError:
    """Say in librdkafka's words, which the rest of the backend understands, what the library raised."""
    if isinstance(error, NoTokenError):
        return in_librdkafkas_words(str(error))
    if isinstance(error, KafkaTimeoutError | RequestTimedOutError | TimeoutError):
        code = KafkaError._TIMED_OUT  # noqa: SLF001 - librdkafka's name
    elif isinstance(error, ssl.SSLError):
        code = KafkaError._SSL  # noqa: SLF001
    elif isinstance(error, BrokerResponseError) and (error.errno or 0) > 0:  # errors of connections have no number
        code = error.errno
    else:
        code = KafkaError._TRANSPORT  # noqa: SLF001 - librdkafka's name for a connection that failed
    return KafkaError(code, type(error).__name__)
