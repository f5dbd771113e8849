"""What the operator writes into the cluster: one status per resource and pass where it differs, finalizers, Events."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from eventplane.api import FINALIZER
from eventplane.api.conditions import Condition
from eventplane.api.dead_letter_policy import DeadLetterPolicy, DeadLetterPolicyStatus
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.metadata import Metadata
from eventplane.api.resource import ManagedStatus
from eventplane.backends.kubernetes import Conflict, Gone, KubernetesApi
from eventplane.controllers.shelf import Key, R, Shelf
from eventplane.controllers.store import Store
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.verdicts import with_transition_times

logger = logging.getLogger(__name__)


class Reporter:
    """Writes to the API server, a bounded number of requests at a time, and lets the store know."""

    def __init__(self, api: KubernetesApi, store: Store, now: Callable[[], datetime], concurrency: int) -> None:
        self._api = api
        self._store = store
        self._now = now
        self._slots = asyncio.Semaphore(concurrency)
        self._event_turn = asyncio.Lock()  # as many at once as statuses, they would take half of the API server's time
        self._posting: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def status(self, shelf: Shelf[R], resource: R, status: ManagedStatus) -> None:
        """Write the status of a resource if it differs from what it shows.

        Raises:
            Unavailable: the API server did not answer.
        """
        before = shelf.shown(resource).status
        status = status.model_copy(update={"conditions": self._dated(status.conditions, before.conditions)})
        if status == before:
            return
        version = await self._write(resource.plural, resource.metadata, before.to_wire(), status.to_wire())
        if version is not None:
            shelf.wrote_status(resource, status, version)

    async def policy_status(self, policy: DeadLetterPolicy, status: DeadLetterPolicyStatus) -> None:
        """Write the status of a policy if it differs from what it shows.

        Raises:
            Unavailable: the API server did not answer.
        """
        before = policy.status
        status = status.model_copy(update={"conditions": self._dated(status.conditions, before.conditions)})
        if status == before:
            return
        version = await self._write(policy.plural, policy.metadata, before.to_wire(), status.to_wire())
        if version is not None:
            self._store.policies.wrote_status(policy, status, version)

    async def bus_status(self, bus: EventBus, update: Callable[[EventBusStatus], EventBusStatus]) -> None:
        """Write what an update makes of the status of a bus, if it differs from what it shows.

        The lanes of a bus take turns, so that none of them undoes what another has just written.

        Raises:
            Unavailable: the API server did not answer.
        """
        async with self._turns[bus.metadata.key]:
            before = self._store.buses.get(bus.metadata.key, bus).status
            status = update(before)
            status = status.model_copy(update={"conditions": self._dated(status.conditions, before.conditions)})
            if status == before:
                return
            version = await self._write(EventBus.plural, bus.metadata, before.to_wire(), status.to_wire())
            if version is not None:
                self._store.wrote_bus_status(bus.metadata.key, bus.metadata.uid, status, version)

    async def finalizer(self, shelf: Shelf[R], resource: R, *, present: bool) -> R | None:
        """Set or take away our finalizer; return the resource as it is then, or None if it is gone.

        Raises:
            Conflict: somebody else changed the resource meanwhile.
            Unavailable: the API server did not answer.
        """
        shown = shelf.shown(resource).metadata
        others = tuple(name for name in shown.finalizers if name != FINALIZER)
        finalizers = (*others, FINALIZER) if present else others
        version = shown.resource_version
        if finalizers != shown.finalizers:
            try:
                async with self._slots:
                    version = await self._api.patch_finalizers(resource.plural, shown, finalizers)
            except Gone:
                return None
        # all else stays as it was when the decision fell, of which alone the status will speak
        metadata = resource.metadata.model_copy(update={"finalizers": finalizers, "resource_version": version})
        shelf.wrote_finalizers(resource, finalizers, version)
        return resource.model_copy(update={"metadata": metadata})

    def post(self, kind: str, metadata: Metadata, those: Sequence[Occurrence]) -> None:
        """Post Events in the background: neither the resource's next pass nor another's status waits for them."""
        if those:
            task = asyncio.create_task(self.events(kind, metadata, those))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)

    async def events(self, kind: str, metadata: Metadata, those: Iterable[Occurrence]) -> None:
        """Post Events; they are a courtesy, so a failure is logged and forgotten."""
        for each in those:
            try:
                async with self._event_turn:
                    await self._api.create_event(
                        kind,
                        metadata,
                        warning=each.warning,
                        reason=each.reason,
                        message=each.message,
                        now=self._now(),
                    )
            except (Gone, Conflict, Unavailable, Rejected) as error:
                logger.warning(
                    "an Event could not be posted: %s", error, extra={"fields": key_fields(kind, metadata.key)}
                )

    def _dated(self, conditions: tuple[Condition, ...], before: tuple[Condition, ...]) -> tuple[Condition, ...]:
        now = self._now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return with_transition_times(conditions, before, now)

    async def _write(
        self, plural: str, metadata: Metadata, before: dict[str, object], status: dict[str, object]
    ) -> str | None:
        try:
            async with self._slots:
                return await self._api.patch_status(plural, metadata, _merge_patch(before, status))
        except (Gone, Conflict):
            return None  # it is gone or has a successor; its deletion is on the way to us


def _merge_patch(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Say what is there now; what was shown and is not any more is taken out by null, at every depth (RFC 7386)."""
    patch: dict[str, object] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        known = before.get(key)
        patch[key] = _merge_patch(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return patch


def key_fields(kind: str, key: Key) -> dict[str, str]:
    """Name a resource in a log line."""
    return {"kind": kind, "namespace": key[0], "name": key[1]}
