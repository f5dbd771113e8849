"""Tests of the second connection to Kafka: whatever goes wrong, those who wait are told."""

import os
import socket
import ssl

import pytest
from confluent_kafka import KafkaError, KafkaException
from kafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, KafkaTimeoutError
from kafka.net.inet import KafkaNetSocket

from eventplane.backends.kafka import wire_client
from eventplane.backends.kafka.token_provider import NoTokenError
from eventplane.backends.kafka.wire_client import WireClient, failure
from eventplane.planning.connection import KafkaConnection

TRANSPORT, TIMED_OUT, SSL = KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._SSL  # noqa: SLF001
WHAT_IS_RAISED = [
    (KafkaConnectionError("[Errno 104] Connection reset by peer"), TRANSPORT),
    (ConnectionResetError(104, "reset"), TRANSPORT),
    (AttributeError("of the library's own making"), TRANSPORT),
    (KafkaTimeoutError(), TIMED_OUT),
    (TimeoutError(), TIMED_OUT),
    (NoTokenError("401: Unauthorized"), KafkaError._AUTHENTICATION),  # noqa: SLF001
    (ssl.SSLError(1, "certificate verify failed"), SSL),
    (GroupAuthorizationFailedError(), KafkaError.GROUP_AUTHORIZATION_FAILED),
]


class BrokenAdmin:
    """A connection that cannot even be closed."""

    def __init__(self, **settings: object) -> None:
        """Connect to nothing."""

    def close(self) -> None:
        """Fail."""
        raise KafkaConnectionError


@pytest.mark.parametrize(("error", "code"), WHAT_IS_RAISED)
def test_what_the_library_raises_is_said_in_librdkafkas_words(error: Exception, code: int) -> None:
    assert failure(error).code() == code


@pytest.mark.parametrize(("error", "code"), WHAT_IS_RAISED)
async def test_whatever_is_raised_all_who_wait_are_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    monkeypatch.setattr(wire_client, "Admin", BrokenAdmin)
    wire = WireClient(KafkaConnection(("127.0.0.1:1",)), client_id="c", thread="wire", timeout_seconds=5)

    def work(*_: object) -> dict[str, int | KafkaError]:
        raise error

    try:
        for _ in range(2):  # and so are those who ask afterwards
            for future in wire.ask(["orders", "invoices"], work).values():
                with pytest.raises(KafkaException) as told:
                    future.result(timeout=5)
                assert told.value.args[0].code() == code
    finally:
        await wire.close()


async def test_answers_and_what_is_left_out_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_client, "Admin", BrokenAdmin)
    wire = WireClient(KafkaConnection(("127.0.0.1:1",)), client_id="c", thread="wire", timeout_seconds=5)
    answers: dict[str, int | KafkaError] = {"orders": 3, "refused": KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)}
    try:
        futures = wire.ask(["orders", "refused", "forgotten"], lambda *_: answers)
        assert futures["orders"].result(timeout=5) == 3
        for name, code in (
            ("refused", KafkaError.GROUP_AUTHORIZATION_FAILED),
            ("forgotten", KafkaError.UNKNOWN),
        ):
            with pytest.raises(KafkaException) as told:
                futures[name].result(timeout=5)
            assert told.value.args[0].code() == code
    finally:
        await wire.close()


def test_a_socket_that_the_library_forgets_is_closed() -> None:
    made = KafkaNetSocket(wire_client._Socket.URL).socket(socket.AF_INET, socket.SOCK_STREAM, 0)  # noqa: SLF001
    descriptor = made.fileno()
    os.fstat(descriptor)
    del made
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
