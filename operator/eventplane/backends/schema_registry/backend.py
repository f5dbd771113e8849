"""The SchemaBackend of a real registry."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from eventplane.backends.schema_registry.api import RegistryApi
from eventplane.backends.schema_registry.changes import SubjectChanger
from eventplane.backends.schema_registry.client import OnCall, RegistryClient
from eventplane.backends.schema_registry.contents import VersionCache, VersionReader
from eventplane.backends.schema_registry.observation import SubjectObserver
from eventplane.backends.schemas import RegistryState
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.outcome import BackendError, Outcome
from eventplane.planning.schema_changes import SchemaChange, concerned_subjects
from eventplane.planning.schema_state import ObservedSubject, SubjectQuery

SchemaOutcome: TypeAlias = Outcome[SchemaChange, ObservedSubject]

_PROBE_SECONDS: Final = 2.0


class SchemaRegistryBackend:
    """Subjects of one registry, in batches, for one event loop."""

    def __init__(
        self,
        connection: RegistryConnection,
        *,
        client_id: str,
        timeout_seconds: float = 5.0,
        batch_seconds: float = 60.0,
        on_call: OnCall | None = None,
    ) -> None:
        """Prepare to connect; nothing is sent before the first call.

        Args:
            connection: where and as whom.
            client_id: what the registry's logs know this client by.
            timeout_seconds: how long the answer of one request is waited for; a probe waits 2 s at most.
            batch_seconds: how long a whole batch may take; what has not begun by then is not begun.
            on_call: told of every request: the call's name, seconds, whether it was answered; from the event loop.

        Raises:
            Rejected: the connection makes no sense to the client, such as a certificate that is none.
        """
        self._client = RegistryClient(connection, client_id=client_id, timeout_seconds=timeout_seconds, on_call=on_call)
        self._batch_seconds = batch_seconds
        self._reader = VersionReader(VersionCache())
        self._observer = SubjectObserver(self._reader)

    async def probe(self) -> RegistryState:
        """Ask the registry for its default level; see SchemaBackend."""
        return RegistryState(await self._api(_PROBE_SECONDS, urgent=True).default_level())

    async def observe(self, keys: Collection[SubjectQuery]) -> Mapping[SubjectQuery, ObservedSubject]:
        """Look at subjects; see Backend."""
        return await self._observer.observe(self._api(self._batch_seconds), list(dict.fromkeys(keys)))

    async def apply(self, changes: Sequence[SchemaChange]) -> Sequence[SchemaOutcome]:
        """Make changes, those of different subjects at the same time; see Backend.

        A version waits for those of the batch that it refers to, and ends as they do where they fail.
        """
        if not changes:
            return []
        api = self._api(self._batch_seconds)
        # One question for all, first: it tells that the registry answers, and whose first version it is.
        names, default = await api.subjects(deleted=True), await api.default_level()
        changer = SubjectChanger(
            api, lambda: self._api(self._client.timeout_seconds), self._reader, self._observer, default, set(names)
        )
        running: dict[str, asyncio.Task[SchemaOutcome]] = {}
        tasks = []
        async with asyncio.TaskGroup() as group:
            for change in changes:
                before = [running[each] for each in concerned_subjects(change) if each in running]
                running[change.subject] = group.create_task(_make(changer, change, before))
                tasks.append(running[change.subject])
        return [task.result() for task in tasks]

    async def close(self) -> None:
        """Release the connections."""
        await self._client.close()

    def _api(self, seconds: float, *, urgent: bool = False) -> RegistryApi:
        return RegistryApi(self._client, asyncio.get_running_loop().time() + seconds, urgent=urgent)


async def _make(
    changer: SubjectChanger, change: SchemaChange, before: Sequence[asyncio.Task[SchemaOutcome]]
) -> SchemaOutcome:
    for task in before:
        error = (await task).error
        if error is not None:
            return Outcome(change, error)
    try:
        return Outcome(change, state=await changer.make(change))
    except BackendError as error:
        return Outcome(change, error)
