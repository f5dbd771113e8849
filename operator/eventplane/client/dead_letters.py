"""Reads dead letters, and sends what they hold to its topic again; they stay where they are."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, Self

from eventplane.client.broker import Broker, broker_of
from eventplane.client.configuration import BrokerConfig, Conf, config_from_environment
from eventplane.client.errors import ConfigurationError, ConsumingError, PublisherClosedError
from eventplane.client.receipt import Receipt, outcome_of
from eventplane.events.dead_letter_choice import ALL, Choice
from eventplane.events.dead_letter_view import DeadLetter, dead_letter_of
from eventplane.events.delivery import Failure
from eventplane.transports.seams import Sender, UnreadableError, Written

logger = logging.getLogger(__name__)

_CLOSE_SECONDS: Final = 10.0


class DeadLetters:
    """The dead letters of consumers: of Subscriptions, and of EventSubscribers.

    Reading joins no group and commits nothing. It needs the right to read the dead-letter topic; replaying that to
    write to the topic that it goes to.

    Args:
        broker_config: a dict with the service's keys or librdkafka's, a BrokerConfig, or a broker in memory.
        timeout_seconds: how long a replayed event may wait for its acknowledgement.

    Raises:
        ConfigurationError: a configuration that cannot be used.
    """

    def __init__(self, broker_config: Broker | BrokerConfig | Conf, *, timeout_seconds: float = 30.0) -> None:
        self._broker = broker_of(broker_config)
        self._timeout_seconds = timeout_seconds
        self._sender: Sender | None = None
        self._pending: set[asyncio.Future[Receipt]] = set()
        self._is_closed = False

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, binding: str = "kafka", **options: Any
    ) -> Self:
        """Use the binding that is mounted below SERVICE_BINDING_ROOT.

        Raises:
            ConfigurationError: naming the file.
        """
        return cls(config_from_environment(environment, binding), **options)

    async def read(
        self, topic: str, *, since: datetime | None = None, limit: int | None = None, choice: Choice = ALL
    ) -> AsyncIterator[DeadLetter]:
        """Read what a dead-letter topic holds now, partition after partition, in the order of offsets.

        Records that no consumer of Eventplane has set aside are passed over. Retry topics can be read as well.

        Args:
            topic: name in Kafka.
            since: none that was set aside before; with a time zone.
            limit: no more than so many.
            choice: which of them.

        Raises:
            ConfigurationError: `since` has no time zone.
            ConsumingError: the topic cannot be read.
        """
        if since is not None and since.tzinfo is None:
            raise ConfigurationError("since: say which time zone")
        left = limit
        try:
            async with aclosing(self._broker.snapshot(topic, _milliseconds(since))) as snapshot:
                async for records in snapshot:
                    for letter in map(dead_letter_of, records):
                        if left is not None and left <= 0:
                            return
                        if letter is not None and choice.takes(letter):
                            yield letter
                            left = None if left is None else left - 1
        except UnreadableError as error:
            raise ConsumingError(str(error)) from error

    async def replay(self, letter: DeadLetter, *, to: str | None = None) -> Receipt:
        """Send the original bytes, key and headers to their topic again, and wait until all replicas in sync have them.

        All groups that read the topic get it again, not only the one that had given it up. It goes to the partition
        where it was; to another topic, by its key. The header `eventplane-replayed-from` says which dead letter it was.
        The dead letter stays. Of several that are replayed without waiting, those of a partition, or a key, keep order.

        Args:
            letter: which.
            to: another topic, by its name in Kafka.

        Raises:
            EventRejectedError: trying again is useless.
            PublishUnavailableError: it may be replayed later.
            PublisherClosedError: nobody can tell.
        """
        if self._is_closed:
            raise PublisherClosedError("this was closed")
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        topic = letter.topic if to is None else to
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

        def sent(written: Written | Failure) -> None:
            if future.done():
                return
            outcome = outcome_of(topic, written)
            if isinstance(outcome, Receipt):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        (self._sender or self._opened()).send(
            topic,
            letter.key,
            letter.original_message,
            letter.headers_of_replay(),
            sent,
            letter.partition if topic == letter.topic else None,
        )
        return await future

    async def close(self) -> None:
        """Wait for what is on its way, at most ten seconds; what is left ends with PublisherClosedError."""
        self._is_closed = True
        if self._sender is not None:
            await self._sender.close(_CLOSE_SECONDS)
            await asyncio.sleep(0)  # the last answers are handed over
        for future in list(self._pending):
            if not future.done():
                future.set_exception(PublisherClosedError("this was closed before the event was acknowledged"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def _opened(self) -> Sender:
        self._sender = self._broker.sender(self._timeout_seconds, self._failed)
        return self._sender

    def _failed(self, problem: str) -> None:
        """Let go of a producer that is of no use any more; the next replay gets another."""
        logger.error("the producer is replaced", extra={"fields": {"problem": problem}})
        self._sender = None


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
