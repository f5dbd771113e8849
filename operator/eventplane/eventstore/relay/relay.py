"""One relay: takes the lease, makes whoever had it step back, and goes on where Kafka says that it ended.

Whatever goes wrong ends in the same way: the producer is dropped and all begins again, so that there is one path only.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from eventplane.eventstore.backend import Backend, Lease
from eventplane.eventstore.errors import StoreUnavailableError
from eventplane.eventstore.relay.positions import PositionLog, UnknownPositionError
from eventplane.eventstore.relay.progress import Progress
from eventplane.eventstore.relay.routes import Routes
from eventplane.eventstore.stored import BEGINNING, Position, Row
from eventplane.transports.kafka_settings import transactional_settings
from eventplane.transports.kafka_transactions import Transactions, UndoneError

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.05
_AGAIN_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 20.0
_BATCH: Final = 500
_REASONS: Final[Mapping[type[Exception], str]] = {
    StoreUnavailableError: "StoreUnavailable",
    UndoneError: "TransactionUndone",
    KafkaException: "KafkaUnavailable",
}
"""What makes it begin again, and what that is counted as."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """What a relay is told."""

    name: str
    """Of one relay there is one at work, however many run."""
    client: Mapping[str, Any]
    """Settings of librdkafka."""
    routes: Routes
    positions_topic: str
    transactional_id_prefix: str = ""
    may_begin_anew: bool = False
    """Whether to begin with the first event though topics are not empty and nothing tells of a position."""
    idle_seconds: float = 10.0
    """After how long somebody else takes over from one that does nothing any more."""
    batch: int = _BATCH


class RefusedError(Exception):
    """Kafka refuses an event for good; nothing behind it is relayed, since that would break the order."""


class Relay:
    """Copies events of all tenants to topics."""

    def __init__(self, backend: Backend, settings: RelaySettings) -> None:
        self._backend = backend
        self._settings = settings
        self._log = PositionLog(settings.client, settings.positions_topic, settings.name)
        self.progress = Progress(time.monotonic)

    async def run(self, over: asyncio.Event) -> None:
        """Relay until `over` is set.

        Raises:
            EventStoreError: what is stored cannot be read, or nobody can tell how far the relay is.
            RefusedError: Kafka refuses an event.
        """
        while not over.is_set():
            try:
                await self._backend.open()
                lease = await self._backend.lease(f"relay-{self._settings.name}", self._settings.idle_seconds)
                if lease is None:
                    self.progress.stand_by()
                else:
                    self.progress.begin()
                    await self._hold(lease, over)
            except tuple(_REASONS) as error:
                logger.warning("the relay begins again", extra={"fields": {"problem": str(error)}})
                self.progress.fail(_reason(error), str(error))
            await _wait(over, _AGAIN_SECONDS)

    async def _hold(self, lease: Lease, over: asyncio.Event) -> None:
        lost = asyncio.Event()
        keeping = asyncio.create_task(self._keep(lease, lost))
        try:
            await self._relay(lost, over)
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            await lease.release()

    async def _keep(self, lease: Lease, lost: asyncio.Event) -> None:
        while await lease.is_held():  # noqa: ASYNC110 - nobody tells that a lease is lost, it has to be asked for
            await asyncio.sleep(self._settings.idle_seconds / 4)
        lost.set()

    async def _relay(self, lost: asyncio.Event, over: asyncio.Event) -> None:
        transactions = await asyncio.to_thread(self._producer)
        try:
            position = await asyncio.to_thread(self._begin, transactions)
            self.progress.relay(position)
            logger.info("relaying", extra={"fields": {"relay": self._settings.name, "position": str(position)}})
            while not (lost.is_set() or over.is_set()):
                rows = await self._backend.read_all(position, self._settings.batch)
                self.progress.step()
                written = await asyncio.to_thread(self._commit, transactions, rows) if rows else Counter[str]()
                position = rows[-1].position if rows else position
                self.progress.commit(position, written, len(rows) - written.total())
                if not rows:
                    await _wait(over, _POLL_SECONDS)
        finally:
            self.progress.begin()
            await asyncio.to_thread(transactions.close)

    # --- on a thread

    def _producer(self) -> Transactions:
        """Open the producer of the relay's id; from now on whoever had it before cannot commit any more."""
        settings = self._settings
        named = {"transactional.id": f"{settings.transactional_id_prefix}relay-{settings.name}"}
        made = transactional_settings(settings.client, f"relay-{settings.name}", "") | named
        return Transactions(Producer, made, _PATIENCE_SECONDS)

    def _begin(self, transactions: Transactions) -> Position:
        """Tell where to go on. The beginning is written down before anything else is written.

        What a relay leaves in topics that is killed in its first transaction would look like lost positions.
        """
        found = self._log.read()
        if found is not None:
            return found
        filled = sorted(topic for topic in self._settings.routes.topics if not self._log.is_empty(topic))
        if filled and not self._settings.may_begin_anew:
            raise UnknownPositionError(
                f"{', '.join(filled)}: events are there, and {self._settings.positions_topic} does not tell how far"
                f" relay {self._settings.name} is. To relay everything from the first event, say so"
            )
        transactions.write(self._log.write(BEGINNING))
        transactions.commit([], None)
        return BEGINNING

    def _commit(self, transactions: Transactions, rows: Sequence[Row]) -> Counter[str]:
        """Write events and the position behind them, all or nothing; return how many went to which topic."""
        written: Counter[str] = Counter()
        for row in rows:
            write = self._settings.routes.write(row)
            if write is not None:
                transactions.write(write)
                written[write.topic] += 1
        transactions.write(self._log.write(rows[-1].position))
        try:
            transactions.commit([], None)
        except UndoneError as error:
            for write, failure, _ in transactions.refusals:
                if failure.reason == "Rejected":
                    raise RefusedError(f"an event for {write.topic} is refused: {failure.message}") from error
            raise
        return written


def _reason(error: Exception) -> str:
    return next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))


async def _wait(over: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
