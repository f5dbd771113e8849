"""A connection to a Kafka cluster: admin requests that are awaited, blocking calls in one thread of their own."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.errors import is_no_answer, is_refused_connection, refusal, translate
from eventplane.planning.connection import KafkaConnection, TokenSource
from eventplane.planning.outcome import Rejected, Unavailable

K = TypeVar("K")
R = TypeVar("R")
OnCall = Callable[[str, float, bool], None]
"""Told of each request: the API's name, seconds, and whether somebody answered."""

_TICK_SECONDS: Final = 0.1
_CLOSE_SECONDS: Final = 0.8
_PATIENCE: Final = 2.0
"""How many time limits the client may take to say that one is over: it says nothing while it asks for a token, and
asks a token endpoint that is ill for almost a minute."""


def client_settings(connection: KafkaConnection, client_id: str) -> dict[str, Any]:
    """Write a connection as librdkafka's settings; they hold passwords."""
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(connection.bootstrap_servers),
        "client.id": client_id,
        "security.protocol": connection.protocol,
        # The defaults keep calling a broker that is gone, and keep from one that is back, for minutes.
        "topic.metadata.refresh.interval.ms": 1000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 250,
        "socket.connection.setup.timeout.ms": 5000,
        "socket.keepalive.enable": True,
        "log_level": 0,  # it would log to stderr; what matters comes back as errors
    }
    secrets = {
        "ssl.ca.pem": connection.ca_pem,
        "ssl.certificate.pem": connection.certificate_pem,
        "ssl.key.pem": connection.key_pem,
        "sasl.mechanism": connection.mechanism,
        "sasl.username": connection.username,
        "sasl.password": connection.password,
    }
    settings |= {key: value for key, value in secrets.items() if value is not None}
    return settings | (_token_settings(connection.tokens) if connection.tokens is not None else {})


def _token_settings(tokens: TokenSource) -> dict[str, str]:
    """Let librdkafka ask for tokens by itself, and again before they end."""
    return {
        **tokens.public_settings(),
        "sasl.oauthbearer.client.id": tokens.client_id,
        "sasl.oauthbearer.client.secret": tokens.client_secret,
    }


class KafkaClient:
    """One admin client and one thread; the producer and consumers of others use its settings and its thread."""

    def __init__(
        self, connection: KafkaConnection, *, client_id: str, timeout_seconds: float, on_call: OnCall | None = None
    ) -> None:
        """Prepare to connect; nothing is sent before the first call.

        Args:
            connection: where and as whom.
            client_id: what the brokers' logs and quotas know this client by.
            timeout_seconds: how long an answer is waited for.
            on_call: told of every request.

        Raises:
            Rejected: the settings make no sense to the client, such as a certificate that is none.
        """
        self.settings = client_settings(connection, client_id)
        self.timeout_seconds = timeout_seconds
        self.closing = False
        """Whether calls in the thread must end."""
        self._on_call = on_call
        self._refusal: KafkaError | None = None
        self._was_let_in = False
        try:
            self._admin: AdminClient | None = AdminClient(self.settings | {"error_cb": self._note})
        except KafkaException as error:
            raise _invalid_settings(error) from None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=client_id)

    async def ask(
        self,
        api: str,
        right: str,
        send: Callable[[AdminClient], Mapping[K, Future[R]]],
    ) -> dict[K, R | KafkaError]:
        """Send one admin request and await its answers.

        Args:
            api: the protocol's name of the request.
            right: what the user must be allowed to do.
            send: puts the request on its way.

        Raises:
            Unavailable: nobody answered, Kafka or who gives tokens for it.
            Rejected: the brokers do not accept who we say we are.
        """
        if self._admin is None:
            raise Unavailable("the connection to Kafka is closed")
        self._refusal = None
        begun, answered = time.perf_counter(), False
        try:
            futures = send(self._admin)
            results = await self._answers(futures.values(), api)
            answers = dict(zip(futures, results, strict=True))
            self._check_answered(answers, api, right)
            answered = self._was_let_in = True
        finally:
            self.report(api, time.perf_counter() - begun, answered=answered)
        return answers

    def report(self, api: str, seconds: float, *, answered: bool) -> None:
        """Tell of a request that was sent another way than by `ask`."""
        if self._on_call is not None:
            self._on_call(api, seconds, answered)

    async def in_thread(self, work: Callable[[], R]) -> R:
        """Run a blocking call in the connection's thread.

        Raises:
            Unavailable: the connection is closed.
        """
        if self.closing:
            raise Unavailable("the connection to Kafka is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self, release: Callable[[], None]) -> None:
        """End the thread and the connections.

        Args:
            release: drops what others opened, in the thread.
        """
        if self.closing:
            return
        self.closing = True

        def drop() -> None:
            release()
            self._admin = None  # librdkafka ends its threads when the last reference goes

        dropping = asyncio.get_running_loop().run_in_executor(self._thread, drop)
        self._thread.shutdown(wait=False)
        await asyncio.wait([dropping], timeout=_CLOSE_SECONDS)

    def _note(self, error: KafkaError) -> None:
        """Keep why a broker would not talk to us: requests only time out."""
        if is_refused_connection(error):
            self._refusal = error

    async def _answers(self, futures: Collection[Future[R]], api: str) -> list[R | KafkaError]:
        done, last = _all_done(futures), time.monotonic() + _PATIENCE * self.timeout_seconds
        while not done.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), _TICK_SECONDS)
            if not done.is_set():
                self._poll_refusal()
                _check_patience(last, api)
        answers: list[R | KafkaError] = []
        for future in futures:
            try:
                answers.append(future.result())
            except KafkaException as error:
                answers.append(_kafka_error(error))
        return answers

    def _poll_refusal(self) -> None:
        if self._admin is not None:
            self._admin.poll(0)
        if self._refusal is not None:
            raise refusal(self._refusal, self.settings.get("sasl.mechanism"), was_let_in=self._was_let_in)

    def _check_answered(self, answers: Mapping[K, R | KafkaError], api: str, right: str) -> None:
        failures = [answer for answer in answers.values() if isinstance(answer, KafkaError) and is_no_answer(answer)]
        if failures and len(failures) == len(answers):
            self._poll_refusal()
            raise translate(failures[0], api, right)


def _check_patience(last: float, api: str) -> None:
    if time.monotonic() > last:
        raise Unavailable(f"{api}: Kafka's client gives no answer and no error")


def _all_done(futures: Collection[Future[R]]) -> asyncio.Event:
    """Return what is set when all are done, with one call into the event loop however many there are."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    left, lock = len(futures), Lock()

    def count(_: Future[R]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            with suppress(RuntimeError):  # the loop is closed, nobody waits
                loop.call_soon_threadsafe(done.set)

    if not futures:
        done.set()
    for future in futures:
        future.add_done_callback(count)
    return done


def _kafka_error(exception: KafkaException) -> KafkaError:
    error = exception.args[0]
    if isinstance(error, KafkaError):
        return error
    raise exception


def _invalid_settings(error: KafkaException) -> Rejected:
    cause = error.args[0]
    words = cause.str() if isinstance(cause, KafkaError) else str(cause)
    return Rejected(Reason.SECRET_INVALID, f"the Kafka client cannot use the bus's settings: {words}")
