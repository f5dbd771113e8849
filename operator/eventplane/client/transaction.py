"""Events of several topics, and the events that they were made of, all or nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from eventplane.client.errors import ConfigurationError, EventRejectedError, TransactionError
from eventplane.client.event import Event
from eventplane.client.keys import PartitionKey, key_of
from eventplane.client.schedule import header_of
from eventplane.events.record import Header
from eventplane.tracing import headers_of_now
from eventplane.transports.seams import Consumed, Transactor, UncommittedError, Write

Encode: TypeAlias = Callable[[str, Event[Any]], Awaitable[tuple[bytes | None, list[Header]]]]
_NOWHERE = ("", 0)


class Consumer(Protocol):
    """Who reads the events that a transaction acknowledges: an EventSubscriber."""

    def consumed(self, event: Event[Any]) -> Consumed:
        """Say up to where its group is through once an event is."""
        ...


class Transaction:
    """What is going to be committed at the end of the block."""

    def __init__(self, encode: Encode) -> None:
        self.writes: list[Write] = []
        """What is published with the commit, in order."""
        self.acknowledged: Consumed | None = None
        """What is acknowledged with the commit; None: nothing."""
        self._encode = encode

    async def publish_event(self, topic: str, event: Event[Any], partition_key: PartitionKey = None) -> None:
        """Have an event published with the rest; the order within a key is that of these calls.

        Raises:
            EventRejectedError: it is not fit to be published.
            PublishUnavailableError: the registry does not answer.
        """
        await self._add(topic, event, partition_key, ())

    async def publish_at(
        self, topic: str, event: Event[Any], at: datetime | timedelta, partition_key: PartitionKey = None
    ) -> None:
        """Have an event published with the rest that is delivered later, as a publisher's `publish_at` has it.

        Raises:
            EventRejectedError: it is not fit to be published; a time without a zone, or too far ahead, too.
            PublishUnavailableError: the registry does not answer.
        """
        await self._add(topic, event, partition_key, [header_of(at)])

    async def publish_batch(
        self,
        topic: str,
        events: Iterable[Event[Any]],
        partition_key: PartitionKey = None,
        *,
        at: datetime | timedelta | None = None,
    ) -> None:
        """Have events published with the rest, in order, and delivered at a time, if one is given.

        Raises as `publish_event` and `publish_at` do.
        """
        beside = [] if at is None else [header_of(at)]
        for event in events:
            await self._add(topic, event, partition_key, beside)

    def consumed(self, by: Consumer, event: Event[Any]) -> None:
        """Acknowledge an event with the rest, and all before it in its partition. Called by the handler of the event.

        Args:
            by: the subscriber that reads it, with ordering Partition.
            event: as it was handed to the handler.

        Raises:
            ConfigurationError: the subscriber keeps another order, or has not read the event.
            ConsumingError: the event's partition is another's by now.
        """
        told = by.consumed(event)
        known = self.acknowledged
        if known is not None and known.group != told.group:
            raise ConfigurationError("a transaction acknowledges events of one group")
        earlier = {} if known is None else dict(known.offsets)
        furthest = {place: max(offset, earlier.get(place, 0)) for place, offset in told.offsets.items()}
        # as whom it was in the group at first: if that has changed since, the broker refuses
        membership = told.membership if known is None else known.membership
        self.acknowledged = Consumed(told.group, membership, earlier | furthest)

    async def _add(self, topic: str, event: Event[Any], partition_key: PartitionKey, beside: Sequence[Header]) -> None:
        value, headers = await self._encode(topic, event)
        headers += [*beside, *headers_of_now()]
        self.writes.append(Write(topic, key_of(event, partition_key), value, headers, _NOWHERE, 0))


class Committer:
    """Commits one transaction after the other."""

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor
        self._turn = asyncio.Lock()

    async def commit(self, transaction: Transaction) -> None:
        """Write and commit; an empty transaction is none.

        Raises:
            TransactionError: it was not committed.
            EventRejectedError: the broker refuses one of its events for good.
        """
        if not transaction.writes and transaction.acknowledged is None:
            return
        async with self._turn:
            try:
                await self._transactor.commit(transaction.writes, transaction.acknowledged)
            except UncommittedError as error:
                if error.failure.reason == "Rejected":
                    raise EventRejectedError(error.failure.message) from error
                raise TransactionError(error.failure.message, is_certain=error.is_certain) from error

    async def close(self) -> None:
        """Let go of the producer."""
        await self._transactor.close()
