"""A lane for each bus and kind: its queue, its connection, its circuit breaker. What is dead stops only its own."""

import asyncio
import contextlib
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.backends import Backend
from eventplane.backends.kubernetes import KubernetesApi
from eventplane.controllers.leftovers import Leftovers
from eventplane.controllers.passes import Passes
from eventplane.controllers.queue import Urgency, WorkQueue
from eventplane.controllers.reconcile import R, Reconciler
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.shelf import Key
from eventplane.planning.bus_decisions import unusable
from eventplane.planning.connection import Secrets
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.plan import Refusal

logger = logging.getLogger(__name__)

PROBE_SECONDS: Final = 10.0
FIRST_REPROBE_SECONDS: Final = 0.25
LAST_REPROBE_SECONDS: Final = 0.5
LEAST_PAUSE_SHARE: Final = 0.1
"""How much of the pause is kept, at least, after a look that took its time."""
SHORTEST_RESYNC: Final = 0.9
LONGEST_RESYNC: Final = 1.1
"""Between which shares of its period the next resync comes."""
SWEEP_DELAY_SECONDS: Final = 0.5


class Closable(Backend[Any, Any, Any], Protocol):
    """A backend that holds connections."""

    async def close(self) -> None:
        """Release them."""
        ...


B = TypeVar("B", bound=Closable)
S = TypeVar("S")
"""What a sign of life says."""


@dataclass(frozen=True, slots=True)
class LaneTiming:
    """How often a lane looks again, seconds."""

    resync_seconds: float
    secret_refresh_seconds: float


class Lane(ABC, Generic[R, B, S]):
    """Everything that happens to the resources of one kind on one bus.

    A system says how it is connected to, what its sign of life is, and what is said of it in the status of the bus.
    """

    def __init__(
        self,
        bus: EventBus,
        reconciler: Reconciler[R, B, Any],
        api: KubernetesApi,
        connect_backend: Callable[[Any, Key], B],
        timing: LaneTiming,
        batch_size: int,
    ) -> None:
        """Prepare to work.

        Args:
            bus: the bus.
            reconciler: passes over its resources.
            api: to read Secrets with.
            connect_backend: opens a backend on a connection, for the bus of that namespace and name.
            timing: how often it looks again.
            batch_size: how many resources a pass may have.
        """
        self.bus = bus
        self.key = bus.metadata.key
        self.problem: BackendError | Refusal | None = Unavailable(f"EventBus {'/'.join(self.key)} is being connected")
        self.reconciler = reconciler
        self._api = api
        self._connect_backend = connect_backend
        self._timing = timing
        self._clock = asyncio.get_running_loop().time
        self.queue: WorkQueue[Key] = WorkQueue(self._clock)
        self.backend: B | None = None
        self._connection: object = None
        self._attention = asyncio.Event()
        self._looked = asyncio.Event()
        self.leftovers = Leftovers(self, reconciler)
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._failures = 0
        self._passes = Passes(self, reconciler, batch_size, LONGEST_RESYNC * timing.resync_seconds)

    # --- what a system has of its own

    @abstractmethod
    def secret_names(self) -> frozenset[str]:
        """Name the Secrets, all of the bus's namespace, that the connection is made of."""

    @abstractmethod
    def connection(self, secrets: Secrets) -> object | Refusal:
        """Make the connection, a value that is equal while an open client can stay, or say what is in the way."""

    @abstractmethod
    async def ask(self, backend: B) -> S | Refusal:
        """Ask for a sign of life.

        Raises:
            Unavailable, Rejected: there is none.
        """

    @abstractmethod
    def bus_status(self, before: EventBusStatus, found: S | BackendError | Refusal) -> EventBusStatus:
        """Say in the status of the bus what was found."""

    def unusable(self, problem: BackendError | Refusal) -> Unavailable:
        """Tell the resources why they have to wait."""
        return unusable(self.bus, problem)

    def reconnected(self) -> None:
        """Take note of another connection than before; resources do not hang on how their system is reached."""

    @abstractmethod
    async def sweep(self, backend: B) -> None:
        """Deal with what resources that are gone left behind.

        Raises:
            Unavailable, Rejected: it must be tried again.
        """

    # --- what happens around the lane

    def bus_changed(self) -> None:
        """Look at the bus again, and at all its resources: what they inherit may have changed, or whom it lets in."""
        self.bus = self.reconciler.store.buses.get(self.key, self.bus)
        self.leftovers.sweep_due = True
        self.look_again()
        self.mark_all(Urgency.CHANGE)

    def resource_gone(self) -> None:
        """Let go of what a resource that is gone had claimed."""
        self.leftovers.sweep_due = True
        if self._sweep_timer is None:  # what goes together is swept together
            self._sweep_timer = asyncio.get_running_loop().call_later(SWEEP_DELAY_SECONDS, self._attend_to_sweep)

    def _attend_to_sweep(self) -> None:
        self._sweep_timer = None
        self.look_again()

    def look_again(self) -> None:
        """Find out soon whether the bus can be used."""
        self._attention.set()

    def mark_all(self, urgency: Urgency) -> None:
        """Mark all resources of the bus dirty."""
        for key in self.reconciler.shelf.of(self.key):
            self.queue.add(key, urgency)
        for resource in self.leftovers.leaving():  # those too whose bus is gone or does not let them in any more
            self.queue.add(resource.metadata.key, urgency)

    @property
    def has_looked(self) -> bool:
        """Whether it has been found out if the bus can be used."""
        return self._looked.is_set()

    def has_work_left(self) -> bool:
        """Tell whether resources being deleted still need this bus, though it is gone."""
        return any(True for _ in self.leftovers.leaving())

    def may_have_work_left(self) -> bool:
        """Tell whether resources that live here will need this bus when they are deleted."""
        return self.leftovers.has_bound()

    async def run(self) -> None:
        """Work until cancelled; close the connection then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._supervise())
                tasks.create_task(self._resync())
                tasks.create_task(self._pass_over_resources())
        finally:
            await self._passes.drop_reports()
            await self._disconnect()

    # --- the connection

    async def _supervise(self) -> None:
        while True:
            self._attention.clear()  # what happens from here on is looked at in the next turn
            begun = self._clock()
            try:
                await self._look()
            except Exception as error:
                logger.exception("not looked at: this is a fault of the operator", extra={"fields": self.fields()})
                message = f"the operator failed ({type(error).__name__}): please report this, its log has the details"
                await self._found(Unavailable(message, Reason.INTERNAL_ERROR))
            self._looked.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience(self._clock() - begun)):
                    await self._attention.wait()

    async def _look(self) -> None:
        self.bus = self.reconciler.store.buses.get(self.key, self.bus)
        found: S | BackendError | Refusal
        try:
            found = await self._probe()
        except (Unavailable, Rejected) as error:
            found = error
        await self._found(found)
        self._looked.set()
        if self.problem is not None:
            await self.leftovers.let_go()
        elif self.leftovers.sweep_due and self.backend is not None:
            await self._sweep(self.backend)

    def _patience(self, looked_seconds: float) -> float:
        """Tell how long to wait before looking at the bus again, seconds."""
        if self.problem is None:
            return min(PROBE_SECONDS, self._timing.secret_refresh_seconds)
        return reprobe_pause(self._failures, looked_seconds)

    async def _found(self, found: S | BackendError | Refusal) -> None:
        if isinstance(found, BackendError | Refusal):
            await self._unusable(found)
        else:
            await self._usable()
        await self.report_bus(lambda before: self.bus_status(before, found))

    async def _probe(self) -> S | Refusal:
        names = self.secret_names()
        secrets = {name: await self._api.read_secret(self.key[0], name) for name in sorted(names)}
        connection = self.connection(secrets)
        if isinstance(connection, Refusal):
            if self.backend is not None and self.key not in self.reconciler.store.buses:
                return await self.ask(self.backend)  # a deleted bus serves its last deletions as it is
            return connection
        if connection != self._connection or self.backend is None:
            is_another = self._connection is not None
            await self._disconnect()
            self.backend = self._connect_backend(connection, self.key)
            self._connection = connection
            if is_another:
                self.reconnected()
        return await self.ask(self.backend)

    async def _usable(self) -> None:
        recovered = self.problem is not None
        self.problem = None
        self._failures = 0
        if recovered:
            logger.info("usable", extra={"fields": self.fields()})
            self.leftovers.sweep_due = True
            self._passes.go_on()

    async def _unusable(self, problem: BackendError | Refusal) -> None:
        if self.problem is None or self._failures == 0:
            fields = self.fields() | {"reason": problem.reason, "problem": problem.message}
            logger.warning("unusable", extra={"fields": fields})
        self._failures += 1
        self.problem = problem
        self._passes.end()

    async def _disconnect(self) -> None:
        backend, self.backend, self._connection = self.backend, None, None
        self._passes.end()
        if backend is not None:
            await backend.close()

    async def report_bus(self, update: Callable[[EventBusStatus], EventBusStatus]) -> None:
        """Write what an update makes of the status of the bus, and go on with it as written."""
        if self.key not in self.reconciler.store.buses:
            return
        try:
            await self.reconciler.reporter.bus_status(self.bus, update)
        except (Unavailable, Rejected) as error:
            logger.warning("status not written: %s", error, extra={"fields": self.fields()})
        self.bus = self.reconciler.store.buses.get(self.key, self.bus)

    async def _sweep(self, backend: B) -> None:
        self.leftovers.sweep_due = False
        try:
            await self.sweep(backend)
        except (Unavailable, Rejected) as error:
            logger.warning("sweep failed: %s", error, extra={"fields": self.fields()})
            self.leftovers.sweep_due = True

    def fields(self) -> dict[str, str]:
        """Name the lane, for log lines."""
        return key_fields(EventBus.kind, self.key) | {"of": self.reconciler.kind}

    # --- the resources

    async def _pass_over_resources(self) -> None:
        await self._looked.wait()
        await self._passes.run()

    async def _resync(self) -> None:
        while True:
            share = random.uniform(SHORTEST_RESYNC, LONGEST_RESYNC)  # noqa: S311 - jitter
            await asyncio.sleep(self._timing.resync_seconds * share)
            self.mark_all(Urgency.RESYNC)
            self.leftovers.sweep_due = True
            self.look_again()


def reprobe_pause(failures: int, looked_seconds: float) -> float:
    """Tell how long to leave a bus alone that cannot be used, seconds.

    A look that waited for an answer was a pause by itself: the client connects meanwhile as soon as it can.
    """
    patience: float = min(LAST_REPROBE_SECONDS, FIRST_REPROBE_SECONDS * 2 ** min(failures, 8))
    return max(LEAST_PAUSE_SHARE * patience, patience - looked_seconds)
