"""Changes cut into requests that Kafka takes: a request may make 10,000 metadata records, or it is refused whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeAlias, TypeVar

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.errors import translate
from eventplane.planning.outcome import BackendError
from eventplane.planning.topic_changes import AddPartitions, AlterConfig, CreateTopic, DeleteTopic

C = TypeVar("C", CreateTopic, AddPartitions, AlterConfig, DeleteTopic)
K = TypeVar("K")
R = TypeVar("R")
T = TypeVar("T")
Answers: TypeAlias = dict[str, KafkaError | BackendError | None]
"""What came back for each topic; None is success."""

RECORDS_PER_REQUEST: Final = 9000
_TOO_LARGE: Final = {
    KafkaError.POLICY_VIOLATION: "excessively large",
    KafkaError.INVALID_REQUEST: "cannot remove more than",  # ACLs
}
"""What Kafka says, and in which error, to a request that would make too many records."""
_DEFAULT_PARTITIONS: Final = 10
"""A guess at num.partitions; a request that turns out too large is halved."""


async def in_batches(
    client: KafkaClient,
    api: str,
    right: str,
    changes: Sequence[C],
    request: Callable[[AdminClient, Sequence[C]], Mapping[str, Future[None]]],
) -> Answers:
    """Send changes of one type in as few requests as can be, and return the answers by topic.

    Raises:
        Unavailable, Rejected: the first request was not answered; a later one's failure is its topics' answer.
    """
    return await in_parts(client, api, right, _parts(changes), request, lambda change: change.topic)


async def in_parts(
    client: KafkaClient,
    api: str,
    right: str,
    parts: Iterable[Sequence[T]],
    request: Callable[[AdminClient, Sequence[T]], Mapping[K, Future[R]]],
    key: Callable[[T], K],
) -> dict[K, R | KafkaError | BackendError]:
    """Send one request after the other, and return the answers by key; one that turns out too large is halved.

    Args:
        client: the connection.
        api: the protocol's name of the requests.
        right: what the user must be allowed to do.
        parts: what goes into each request.
        request: sends one.
        key: what an item's answer is known by.

    Raises:
        Unavailable, Rejected: the first request was not answered; a later one's failure is the answer of its items.
    """
    answers: dict[K, R | KafkaError | BackendError] = {}
    pending = list(parts)
    while pending:
        part = pending.pop(0)
        try:
            answered = await client.ask(api, right, partial(_call, request, part))
        except BackendError as error:
            if not answers:
                raise
            pending.insert(0, part)
            for unsent in pending:
                answers |= dict.fromkeys((key(item) for item in unsent), error)
            return answers
        if len(part) > 1 and all(_is_too_large(answer) for answer in answered.values()):
            middle = len(part) // 2
            pending[:0] = [part[:middle], part[middle:]]
        else:
            answers |= answered
    return answers


def errors_of(answers: Mapping[str, KafkaError | BackendError | None], right: str) -> dict[str, BackendError]:
    """Translate what went wrong, by topic.

    Args:
        answers: what came back.
        right: the operation that one must be allowed on the topic, as ACLs name it.
    """
    return {
        topic: translate(answer, f"topic {topic}", f"{right} on topic {topic}")
        if isinstance(answer, KafkaError)
        else answer
        for topic, answer in answers.items()
        if answer is not None
    }


def topics_with_code(answers: Mapping[str, KafkaError | BackendError | None], codes: Iterable[int]) -> set[str]:
    """Name the topics whose answer is one of some errors."""
    wanted = frozenset(codes)
    return {topic for topic, answer in answers.items() if isinstance(answer, KafkaError) and answer.code() in wanted}


def _parts(changes: Sequence[C]) -> Iterator[Sequence[C]]:
    part: list[C] = []
    size = 0
    for change in changes:
        records = _records(change)
        if part and size + records > RECORDS_PER_REQUEST:
            yield part
            part, size = [], 0
        part.append(change)
        size += records
    if part:
        yield part


def _records(change: CreateTopic | AddPartitions | AlterConfig | DeleteTopic) -> int:
    match change:
        case CreateTopic():
            return 1 + (_DEFAULT_PARTITIONS if change.partitions is None else change.partitions) + len(change.config)
        case AddPartitions():
            return max(1, change.total - change.current)
        case AlterConfig():
            return len(change.values) + len(change.resets)
        case DeleteTopic():
            return 1


def _call(
    request: Callable[[AdminClient, Sequence[T]], Mapping[K, Future[R]]], part: Sequence[T], admin: AdminClient
) -> Mapping[K, Future[R]]:
    return request(admin, part)


def _is_too_large(answer: object) -> bool:
    if not isinstance(answer, KafkaError):
        return False
    words = _TOO_LARGE.get(answer.code())
    return words is not None and words in answer.str().lower()
