"""When the gateways of buses are looked after: while this replica leads, at once when what they hang on has changed."""

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import Any, Final

from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.gateway import Gateway, GatewayStatus
from eventplane.api.gateway_config import Grants
from eventplane.api.publication import Publication
from eventplane.backends.access_reviews import may_review_tokens
from eventplane.backends.applications import ApplicationBackend, ApplicationQuery
from eventplane.backends.kubernetes import KubernetesApi
from eventplane.controllers.applications import PASSWORD_BYTES
from eventplane.controllers.dispatch import Dispatcher
from eventplane.controllers.reconcile import Surroundings
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.shelf import Key
from eventplane.controllers.tracks import AnyLane
from eventplane.planning.access_case import AccessCase
from eventplane.planning.bus_decisions import unusable
from eventplane.planning.decision import Decision
from eventplane.planning.gateway_callers import callers_of, lets_service_accounts_in
from eventplane.planning.gateway_desired import (
    DesiredGateway,
    GatewayCircumstances,
    desire_gateway,
    gateway_access,
    gateway_query,
    secrets_of_gateway,
)
from eventplane.planning.gateway_manifests import gateway_keys, gateway_name, secret_key
from eventplane.planning.gateways import (
    GatewayCase,
    bus_with_gateway,
    decide_gateway,
    decide_removal,
    gateway_status,
    gateway_verdict,
    has_gateway,
)
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.verdicts import Verdict, first_error, verdict_of, verdict_of_obstacle

logger = logging.getLogger(__name__)

TEND_SECONDS: Final = 0.5
"""How often it is found out whether there is something to do; that asks nobody."""
UNREADY_SECONDS: Final = 2.0
"""From one look to the next while not all is at work."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the last pass worked towards; another one is worked towards at once."""

    generation: int
    annotations: tuple[tuple[str, str], ...]
    callers: Grants
    problem: BackendError | Refusal | None
    backend: int


class GatewayLoop:
    """Brings the gateway of each bus to what its spec asks for, and takes away those that nobody asks for any more."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        surroundings: Surroundings,
        api: KubernetesApi,
        image: str,
        seconds: float,
    ) -> None:
        """Prepare to look.

        Args:
            dispatcher: knows the lanes of buses, through which their Kafka is reached.
            surroundings: the store, the reporter, and the clock.
            api: to see whether there is what pods need.
            image: the image of Eventplane.
            seconds: from one look to the next while all is as it should be.
        """
        self._dispatcher = dispatcher
        self._store = surroundings.store
        self._reporter = surroundings.reporter
        self._cluster = surroundings.cluster
        self._now = surroundings.now
        self._api = api
        self._image = image
        self._seconds = seconds
        self._flights: dict[Key, asyncio.Task[None]] = {}
        self._done: dict[Key, tuple[_Wish, float]] = {}
        """What each pass worked towards, and when the next one is due."""

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                self._tend()
                await asyncio.sleep(TEND_SECONDS)
        finally:
            flights = list(self._flights.values())
            for task in flights:
                task.cancel()
            await asyncio.gather(*flights, return_exceptions=True)

    def _tend(self) -> None:
        self._flights = {key: task for key, task in self._flights.items() if not task.done()}
        for key, bus in self._store.buses.items():
            lane = self._dispatcher.publications.lanes.get(key)
            if (
                not has_gateway(bus)
                or bus.metadata.deleting
                or key in self._flights
                or lane is None
                or not lane.has_looked
            ):
                continue
            wish = _Wish(
                bus.metadata.generation,
                tuple(sorted(bus.metadata.annotations.items())),
                self._callers(bus),
                lane.problem,
                id(lane.backend),
            )
            known = self._done.get(key)
            if known is None or known[0] != wish or known[1] <= asyncio.get_running_loop().time():
                self._flights[key] = asyncio.create_task(self._pass(bus, wish, lane))
        for key in self._done.keys() - self._store.buses.keys() - self._flights.keys():
            del self._done[key]
            lane = self._dispatcher.publications.lanes.get(key)
            if lane is not None:  # it removes the gateway's user, now that no pass makes it
                lane.resource_gone()

    def _callers(self, bus: EventBus) -> Grants:
        there = (shelf[key] for shelf in self._store.applications for key in shelf.of(bus.metadata.key))
        return callers_of(bus, ((each, self._store.topics_of(each)) for each in there if each.spec.gateway is not None))

    # --- a pass

    async def _pass(self, bus: EventBus, wish: _Wish, lane: AnyLane[Publication]) -> None:
        """Look at the gateway of a bus, and say what is the case; a fault of ours is its own."""
        fields = key_fields(EventBus.kind, bus.metadata.key) | {"of": "gateway"}
        is_well = False
        try:
            status, verdict = await self._looked(bus, wish, lane)
            is_well = verdict is None or verdict.status == "True"
            generation = bus.metadata.generation

            def update(before: EventBusStatus) -> EventBusStatus:
                return bus_with_gateway(before, generation, status, verdict)

            await self._reporter.bus_status(bus, update)
        except (Unavailable, Rejected) as error:
            logger.warning("status not written: %s", error, extra={"fields": fields})
        except Exception:
            logger.exception("not looked at: this is a fault of the operator", extra={"fields": fields})
        pause = self._seconds if is_well else min(self._seconds, UNREADY_SECONDS)
        self._done[bus.metadata.key] = (wish, asyncio.get_running_loop().time() + pause)

    async def _looked(
        self, bus: EventBus, wish: _Wish, lane: AnyLane[Publication]
    ) -> tuple[GatewayStatus | None, Verdict | None]:
        """Make a pass; return what has become of the gateway, and the verdict on it."""
        known = bus.status.gateway
        if lane.problem is not None or lane.backend is None:
            return known, verdict_of(unusable(bus, lane.problem or Unavailable("it is being connected")))
        try:
            if bus.spec.gateway is None:
                return await self._removed(bus, lane.backend)
            desired = await self._desired(bus, bus.spec.gateway, lane.backend, wish.callers)
            if isinstance(desired, Refusal):
                return known, verdict_of(desired)
            return await self._made(bus, lane.backend, desired, wish.callers)
        except (Unavailable, Rejected) as error:
            return known, verdict_of(error)

    async def _desired(
        self, bus: EventBus, gateway: Gateway, backend: ApplicationBackend, callers: Grants
    ) -> DesiredGateway | Refusal:
        names = sorted(secrets_of_gateway(gateway))
        found = {name: await self._api.read_secret(bus.metadata.namespace, name) for name in names}
        around = GatewayCircumstances(self._cluster, self._image, found)
        return desire_gateway(bus, gateway, backend.connection, callers, around)

    async def _made(
        self, bus: EventBus, backend: ApplicationBackend, desired: DesiredGateway, callers: Grants
    ) -> tuple[GatewayStatus, Verdict]:
        query = ApplicationQuery(desired.access.query, gateway_keys(bus), desired.deployment)
        seen = (await backend.observe({query}))[query]
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        access = AccessCase(gateway_access(bus), bus, desired.access, seen.access, password, self._now())
        may_review = await self._may_review(bus) if lets_service_accounts_in(callers) else None
        case = GatewayCase(bus, access, desired, seen.objects, seen.pods, may_review)
        decision = decide_gateway(case)
        outcomes = await self._applied(bus, backend, decision)
        return gateway_status(case, decision, outcomes), gateway_verdict(case, decision, outcomes)

    async def _may_review(self, bus: EventBus) -> bool | None:
        return await may_review_tokens(self._api.request, bus.metadata.namespace, gateway_name(bus))

    async def _removed(self, bus: EventBus, backend: ApplicationBackend) -> tuple[GatewayStatus | None, Verdict | None]:
        query = ApplicationQuery(
            gateway_query(bus, backend.connection, self._cluster), gateway_keys(bus) | {secret_key(bus)}
        )
        seen = (await backend.observe({query}))[query]
        decision = decide_removal(bus, seen.access, seen.objects)
        if decision.postponed is not None:
            return bus.status.gateway, verdict_of(decision.postponed)
        error = first_error(await self._applied(bus, backend, decision))
        obstacle = verdict_of_obstacle(decision, error)
        return (None, None) if obstacle is None else (bus.status.gateway, obstacle)

    async def _applied(self, bus: EventBus, backend: ApplicationBackend, decision: Decision[Any]) -> Any:
        outcomes = await backend.apply(decision.changes) if decision.changes else ()
        done = [each.change.describe() for each in outcomes if each.error is None]
        if done:
            fields = key_fields(EventBus.kind, bus.metadata.key) | {"of": "gateway"}
            logger.info("reconciled", extra={"fields": {**fields, "changes": done}})
        return outcomes
