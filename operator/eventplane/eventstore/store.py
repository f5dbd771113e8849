"""The event store: appends where nobody else did, reads streams, and all events in the order of their commits."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, Self

import orjson

from eventplane.client.event import Event
from eventplane.eventstore.backend import Backend
from eventplane.eventstore.configuration import backend_of, url_from_environment
from eventplane.eventstore.documents import event_in, new_row, typed
from eventplane.eventstore.errors import EventStoreError
from eventplane.eventstore.shredding import Cipher, Sealing
from eventplane.eventstore.stored import BEGINNING, Position, Row, Snapshot, SnapshotRow, StoredEvent
from eventplane.eventstore.upcasting import Upcasters

_BATCH: Final = 500
_IDLE_SECONDS: Final = 0.1


class EventStore:
    """Streams of events, one for each aggregate, in a database.

    Args:
        config: `sqlite:///file`, `postgresql://...`, a dict with such an address as `event_store_url`, or a backend.
        tenant: whose streams; those of others are not seen.
        upcasters: what becomes of events of old versions when they are read.
        cipher: seals data with keys that can be destroyed.
        types: typed events by the type of event: `{"order.created": Event[OrderCreated]}`.

    Raises:
        ConfigurationError: the configuration names no database.
    """

    def __init__(
        self,
        config: Backend | Mapping[str, Any] | str,
        *,
        tenant: str = "",
        upcasters: Upcasters | None = None,
        cipher: Cipher | None = None,
        types: Mapping[str, type[Event[Any]]] | None = None,
    ) -> None:
        self._backend = backend_of(config)
        self._tenant = tenant
        self._upcasters = upcasters or Upcasters()
        self._sealing = Sealing(cipher)
        self._types = types or {}
        self._opening = asyncio.Lock()
        self._is_open = False

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, binding: str = "eventstore", **options: Any
    ) -> Self:
        """Use the database whose binding is mounted below SERVICE_BINDING_ROOT.

        Raises:
            ConfigurationError: naming the file.
        """
        return cls(url_from_environment(environment, binding), **options)

    async def append_event(self, aggregate_id: str, event: Event[Any], expected_version: int | None = None) -> int:
        """Append an event and return its version; see `append_events`."""
        return await self.append_events(aggregate_id, [event], expected_version)

    async def append_events(
        self, aggregate_id: str, events: Sequence[Event[Any]], expected_version: int | None = None
    ) -> int:
        """Append events, all or none, and return the version of the last one once it is durable.

        Args:
            aggregate_id: unique among all aggregates of the tenant.
            events: in order, at least one. Appended again at the same place, they are there once.
            expected_version: of the aggregate as it was when these events were decided on; 0: it is new; None: these
                events can be appended to any.

        Raises:
            ConcurrencyError: somebody else appended meanwhile; it has the actual version.
            InvalidEventError: data that are no JSON.
            StoreUnavailableError: no answer; the same events may be appended again.
        """
        if not events:
            raise ValueError("events: at least one")
        if expected_version is not None and expected_version < 0:
            raise ValueError("expected_version: 0 or more")
        backend = await self._opened()
        sealed = [await self._sealing.seal(event, self._tenant, aggregate_id) for event in events]
        return await backend.append(self._tenant, aggregate_id, expected_version, [new_row(each) for each in sealed])

    async def get_events(
        self, aggregate_id: str, from_version: int = 1, to_version: int | None = None
    ) -> list[Event[Any]]:
        """Return the events of an aggregate, both versions included; none where it does not exist.

        Raises:
            EventStoreError: one of them cannot be read.
            StoreUnavailableError: no answer.
        """
        backend = await self._opened()
        rows = await backend.read(self._tenant, aggregate_id, from_version, to_version)
        return [await self._event(row) for row in rows]

    async def get_version(self, aggregate_id: str) -> int:
        """Return the version of an aggregate; 0 where it does not exist."""
        return await (await self._opened()).version(self._tenant, aggregate_id)

    async def create_snapshot(self, aggregate_id: str, aggregate_state: Mapping[str, Any], version: int) -> None:
        """Keep the state that an aggregate has after its event `version`, unless a newer one is kept.

        Raises:
            EventStoreError: there is no such event yet, or the state is no JSON.
        """
        backend = await self._opened()
        if version < 1 or await backend.version(self._tenant, aggregate_id) < version:
            raise EventStoreError(f"{aggregate_id} has no event {version}, so there is no state after it")
        try:
            plain = orjson.dumps(aggregate_state)
        except TypeError as error:
            raise EventStoreError(f"the state of {aggregate_id} is no JSON: {error}") from error
        document = await self._sealing.seal_text(plain, self._tenant, aggregate_id)
        await backend.put_snapshot(self._tenant, aggregate_id, SnapshotRow(version, document))

    async def get_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of an aggregate; None where there is none that can be read any more."""
        row = await (await self._opened()).snapshot(self._tenant, aggregate_id)
        plain = None if row is None else await self._sealing.unseal_text(row.document, self._tenant, aggregate_id)
        if row is None or plain is None:
            return None
        return Snapshot(aggregate_id, row.version, orjson.loads(plain))

    async def stream_all(
        self, after: Position = BEGINNING, *, follow: bool = False, batch: int = _BATCH
    ) -> AsyncGenerator[StoredEvent, None]:
        """Return all events behind a position, each once, in the order of their commits.

        Args:
            after: the position of the last event that is known.
            follow: wait for more instead of ending.
            batch: how many are read at a time.
        """
        backend = await self._opened()
        while True:
            rows = await backend.read_all(after, batch, self._tenant)
            for row in rows:
                yield StoredEvent(
                    await self._event(row), row.stream, row.version, row.position, row.recorded_at, row.tenant
                )
                after = row.position
            if len(rows) < batch:
                if not follow:
                    return
                await asyncio.sleep(_IDLE_SECONDS)

    async def close(self) -> None:
        """Let go of the database."""
        await self._backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _opened(self) -> Backend:
        if not self._is_open:
            async with self._opening:
                await self._backend.open()
                self._is_open = True
        return self._backend

    async def _event(self, row: Row) -> Event[Any]:
        event = await self._sealing.unseal(event_in(row), row.tenant, row.stream)
        return typed(self._upcasters.upcast(event), self._types)
