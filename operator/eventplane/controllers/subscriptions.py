"""Passes over batches of Subscriptions: their access, and what they become inside of the cluster."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from eventplane.api.event_bus import EventBus
from eventplane.api.subscription import Subscription, SubscriptionStatus
from eventplane.backends.subscriptions import SubscriptionBackend, SubscriptionQuery
from eventplane.controllers.publications import PASSWORD_BYTES
from eventplane.controllers.reconcile import Batch, Flight, Reconciler, Surroundings
from eventplane.controllers.shelf import Shelf
from eventplane.planning.access_case import AccessCase
from eventplane.planning.connection import AccessConnection
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.plan import Refusal
from eventplane.planning.scaling import KEDA_API, wants_autoscaling
from eventplane.planning.subscription_desired import Circumstances, DesiredSubscription, desire_subscription
from eventplane.planning.subscription_readiness import subscription_occurrences, subscription_status
from eventplane.planning.subscriptions import (
    SubscriptionCase,
    decide_subscription,
    keys_to_observe,
    subscription_case,
)


class SubscriptionReconciler(Reconciler[Subscription, SubscriptionBackend, SubscriptionCase]):
    """Brings Subscriptions to what they ask for."""

    def __init__(self, surroundings: Surroundings, shelf: Shelf[Subscription], runtime_image: str) -> None:
        """Use the image of Eventplane's own consumer for those who have a sink."""
        super().__init__(surroundings, shelf)
        self._runtime_image = runtime_image

    async def look(
        self,
        bus: EventBus,
        backend: SubscriptionBackend,
        resources: Sequence[Subscription],
        batch: Batch[Subscription, SubscriptionCase],
    ) -> None:
        """Observe the users, Secrets and objects of a batch, and decide."""
        has_autoscaler = any(wants_autoscaling(each) for each in resources) and await backend.serves(KEDA_API)
        wanted: list[tuple[Subscription, DesiredSubscription]] = []
        for resource in resources:
            around = self._around(resource, bus, backend.connection, has_autoscaler=has_autoscaler)
            desired = desire_subscription(resource, around)
            if isinstance(desired, Refusal):
                batch.refused.append((resource, desired))
            else:
                wanted.append((resource, desired))
        queries = {resource.metadata.key: query_of(resource, desired) for resource, desired in wanted}
        observed = await backend.observe(set(queries.values()))
        for resource, desired in wanted:
            seen, new_password = observed[queries[resource.metadata.key]], secrets.token_urlsafe(PASSWORD_BYTES)
            access = AccessCase(resource, bus, desired.access, seen.access, new_password, self.now())
            lag = self.gauges.lag_of(resource)
            flight = Flight(subscription_case(resource, access, desired.objects, seen.objects, seen.pods, lag))
            flight.decision = self.decided(flight.case, decide_subscription)
            batch.flights.append(flight)

    def _around(
        self, resource: Subscription, bus: EventBus, connection: AccessConnection, *, has_autoscaler: bool
    ) -> Circumstances:
        """Look up what a Subscription finds around it."""
        store = self.store
        return Circumstances(
            bus=bus,
            connection=connection,
            cluster=self.cluster,
            runtime_image=self._runtime_image,
            topics=store.topics_of(resource),
            sink_topic=store.sink_topic_of(resource),
            policy=store.policy_of(resource),
            siblings=store.siblings_of(resource),
            drained=self.gauges.drained(resource.metadata.key),
            has_autoscaler=has_autoscaler,
            twin=store.twin_of(resource),
        )

    def status_of(self, flight: Flight[SubscriptionCase]) -> SubscriptionStatus:
        """Say what is the case about a Subscription."""
        return subscription_status(flight.case, flight.decision, flight.outcomes)

    def occurrences_of(self, flight: Flight[Any]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""
        return subscription_occurrences(flight.case, flight.decision, flight.outcomes)


def query_of(resource: Subscription, desired: DesiredSubscription) -> SubscriptionQuery:
    """Say what to observe for a Subscription."""
    keys = keys_to_observe(resource, desired.objects)
    return SubscriptionQuery(desired.access.query, keys, desired.objects.deployment)
