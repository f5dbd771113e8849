"""What the client raises, although it should not, is the end of a transaction like any other."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from eventplane.transports.kafka_transactions import Transactions, UndoneError

FENCED = KafkaError(KafkaError._FENCED, "fenced by a newer instance", fatal=True)  # noqa: SLF001 - librdkafka's name


class FencedProducer:
    """As confluent-kafka 2.16 behaves: who is called back with a fatal error finds it raised already."""

    def __init__(self, cause: Exception | None) -> None:
        self._cause = cause

    def init_transactions(self, _seconds: float) -> None:
        """Take the id."""

    def begin_transaction(self) -> None:
        """Begin."""

    def flush(self, _seconds: float) -> int:
        raise SystemError("returned a result with an exception set") from self._cause

    def purge(self) -> None:
        """Forget all."""


def transactions(cause: Exception | None) -> Transactions:
    def make(_settings: Any) -> Any:
        return FencedProducer(cause)

    return Transactions(make, {}, 1.0)


def test_who_is_fenced_off_is_told_that_it_is() -> None:
    with pytest.raises(UndoneError, match="fenced by a newer instance") as undone:
        transactions(KafkaException(FENCED)).commit([], None)
    assert undone.value.is_final


def test_another_fault_of_the_client_is_not_taken_for_an_answer_of_kafka() -> None:
    with pytest.raises(SystemError):
        transactions(None).commit([], None)
