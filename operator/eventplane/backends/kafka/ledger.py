"""Whose topics are whose: claims made, completed and released in the ledger, and read back."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import uuid4

from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, NewTopic, OffsetSpec, TopicDescription  # type: ignore[attr-defined]  # public

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.descriptions import describe_brokers, topic_id, wait_until
from eventplane.backends.kafka.errors import is_lag, translate
from eventplane.backends.kafka.freshness import FreshTopics
from eventplane.backends.kafka.ledger_log import LedgerLog, Record, claim_record, id_record, release_records
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC, READ_RIGHT, LedgerTopic
from eventplane.planning.outcome import BackendError, Rejected
from eventplane.planning.topic_changes import ClaimTopic, ReleaseTopic
from eventplane.planning.topic_state import Claim, Owner
from eventplane.planning.topics import owned_by_another

_FORGETTING_SECONDS: Final = 12 * 3600
"""Half of what compaction keeps tombstones for: who read longer ago than that may miss a release, and starts anew."""
_LOOKS: Final = 5
_LOOK_SECONDS: Final = 0.2
_PARTITION: Final = TopicPartition(LEDGER_TOPIC, 0)
_SUBJECT: Final = f"topic {LEDGER_TOPIC}"


class Ledger:
    """The ledger of one Kafka cluster as far as it was read, and the only writer of it in this process."""

    def __init__(
        self,
        client: KafkaClient,
        fresh: FreshTopics,
        *,
        new_nonce: Callable[[], str] = lambda: uuid4().hex,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to read; an absent ledger is an empty one.

        Args:
            client: the connection.
            fresh: describes the ledger's topic.
            new_nonce: makes the unique part of a claim's key.
            now: seconds on a clock that never goes back.
        """
        self._client = client
        self._fresh = fresh
        self._topic = LedgerTopic(client)
        self._new_nonce = new_nonce
        self._now = now
        self._turn = asyncio.Lock()
        self._log = LedgerLog()
        self._incarnation: str | None = None
        self._position = 0
        self._read_at = now()

    def drop(self) -> None:
        """Give up what is open; called in the client's thread."""
        self._topic.drop()

    async def connect(self) -> None:
        """Open what writing needs, so that the first claim need not."""
        await self._topic.connect()

    def claim_of(self, topic: str) -> Claim | None:
        """Return the standing claim on a topic, as of the last reading."""
        return self._log.claim(topic)

    def objection(self, topic: str, owner: Owner) -> BackendError | None:
        """Return what stands against an owner's having a topic, as of the last reading: another's claim."""
        standing = self._log.standing(topic)
        if standing is None or standing.owner == owner:
            return None
        refusal = owned_by_another(topic, standing.owner, owner)
        return Rejected(refusal.reason, refusal.message)

    async def claims(self) -> Mapping[str, Claim]:
        """Read to the end and return all standing claims.

        Raises:
            Unavailable, Rejected: it could not be read.
        """
        await self.refresh()
        return self._log.claims()

    async def refresh(self) -> None:
        """Read to the end.

        Raises:
            Unavailable, Rejected: it could not be read.
        """
        await self.catch_up(await self._fresh.describe([LEDGER_TOPIC]))

    async def catch_up(self, described: Mapping[str, TopicDescription]) -> None:
        """Read to the end, as `refresh` does, without asking for the ledger's description again.

        Args:
            described: topics just described, the ledger among them if it exists.

        Raises:
            Unavailable, Rejected: it could not be read.
        """
        async with self._turn:
            await self._catch_up(described.get(LEDGER_TOPIC))

    async def claim(self, changes: Sequence[ClaimTopic]) -> list[BackendError | None]:
        """Claim topics, at most one claim a topic, and return for each what stands against it.

        Raises:
            Unavailable, Rejected: the ledger could not be read or written.
        """
        async with self._turn:
            if self._incarnation is None:
                await self._catch_up(await self._existing_or_new())
            await self._append([record for change in changes for record in self._claiming(change)])
            losses = [self.objection(change.topic, change.owner) for change in changes]
            withdrawn = [change for change, loss in zip(changes, losses, strict=True) if loss is not None]
            await self._append([record for change in withdrawn for record in self._releasing(change)])
        return losses

    async def release(self, changes: Sequence[ReleaseTopic]) -> None:
        """Withdraw the claims of owners on topics; what is not claimed is left alone.

        Raises:
            Unavailable, Rejected: the ledger could not be read or written.
        """
        async with self._turn:
            await self._catch_up((await self._fresh.describe([LEDGER_TOPIC])).get(LEDGER_TOPIC))
            await self._append([record for change in changes for record in self._releasing(change)])

    def _claiming(self, change: ClaimTopic) -> tuple[Record, ...]:
        standing = self._log.standing(change.topic)
        if standing is None:
            return (claim_record(change.topic, self._new_nonce(), change.owner, change.topic_id),)
        if standing.owner == change.owner and change.topic_id not in (None, standing.topic_id):
            return (id_record(change.topic, standing.nonce, change.topic_id or ""),)
        return ()

    def _releasing(self, change: ClaimTopic | ReleaseTopic) -> tuple[Record, ...]:
        entries = self._log.of_owner(change.topic, change.owner)
        return tuple(record for entry in entries for record in release_records(change.topic, entry.nonce))

    async def _append(self, records: Sequence[Record]) -> None:
        """Write records and take them in, with whatever others wrote before them."""
        if not records:
            return
        offsets = await self._topic.append(records)
        if offsets[0] < self._position:  # the ledger was deleted and made again since it was read
            await self._catch_up((await self._fresh.describe([LEDGER_TOPIC])).get(LEDGER_TOPIC))
        elif offsets == list(range(self._position, self._position + len(records))):
            for offset, (key, value) in zip(offsets, records, strict=True):
                self._log.read(offset, key, value)
            self._position += len(records)
        else:  # somebody else wrote in between
            await self._read_to(max(offsets) + 1)

    async def _catch_up(self, description: TopicDescription | None) -> None:
        if LEDGER_TOPIC in self._fresh.denied:
            raise self._fresh.denied[LEDGER_TOPIC]
        if description is None and self._incarnation is not None:
            description = await self._look_again()
        incarnation = None if description is None else topic_id(description)
        if incarnation != self._incarnation or self._now() - self._read_at > _FORGETTING_SECONDS:
            await self._client.in_thread(self._topic.drop)  # clients remember things about a topic that is gone
            self._forget(incarnation)
        if incarnation is None:
            return
        end = await self._end()
        if end < self._position:
            self._forget(incarnation)
        await self._read_to(end)

    async def _end(self) -> int:
        answer = await wait_until(
            self._ask_end,
            lambda answer: not (isinstance(answer, KafkaError) and is_lag(answer)),
            what=f"Kafka cannot serve {_SUBJECT} now: its partition has no leader",
            seconds=self._client.timeout_seconds,
        )
        if isinstance(answer, KafkaError):
            raise translate(answer, _SUBJECT, READ_RIGHT)
        return answer.offset

    async def _ask_end(self) -> ListOffsetsResultInfo | KafkaError:
        answers = await self._client.ask(
            "ListOffsets",
            READ_RIGHT,
            lambda admin: admin.list_offsets(
                {_PARTITION: OffsetSpec.latest()}, request_timeout=self._client.timeout_seconds
            ),
        )
        return answers[_PARTITION]

    async def _look_again(self) -> TopicDescription | None:
        """Believe that the ledger is gone only when it stays gone: a broker that is behind may not know it yet."""
        for _ in range(_LOOKS):
            await asyncio.sleep(_LOOK_SECONDS)
            described = await self._fresh.describe([LEDGER_TOPIC])
            if LEDGER_TOPIC in described:
                return described[LEDGER_TOPIC]
        return None

    async def _read_to(self, end: int) -> None:
        if end > self._position:
            await self._topic.read(self._position, end, self._take)
            self._position = max(self._position, end)
        self._read_at = self._now()

    def _take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        if offset >= self._position:
            self._log.read(offset, key, value)
            self._position = offset + 1

    def _forget(self, incarnation: str | None) -> None:
        self._log = LedgerLog()
        self._incarnation = incarnation
        self._position = 0
        self._read_at = self._now()

    async def _existing_or_new(self) -> TopicDescription:
        described = await self._fresh.describe([LEDGER_TOPIC])
        if LEDGER_TOPIC not in described:
            await self._create()
            described = await wait_until(
                lambda: self._fresh.describe([LEDGER_TOPIC]),
                lambda found: LEDGER_TOPIC in found,
                what=f"{_SUBJECT} was created and does not show yet",
            )
            self._fresh.created(LEDGER_TOPIC, needed=True)
        return described[LEDGER_TOPIC]

    async def _create(self) -> None:
        replicas = min(3, (await describe_brokers(self._client)).brokers)
        settings = {"cleanup.policy": "compact", "min.insync.replicas": "2" if replicas == 3 else "1"}  # noqa: PLR2004 - quorum
        right = f"Create on {_SUBJECT}"
        answers = await self._client.ask(
            "CreateTopics",
            right,
            lambda admin: admin.create_topics(
                [NewTopic(LEDGER_TOPIC, 1, replicas, config=settings)], request_timeout=self._client.timeout_seconds
            ),
        )
        error = answers[LEDGER_TOPIC]
        if isinstance(error, KafkaError) and error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise translate(error, _SUBJECT, right)
