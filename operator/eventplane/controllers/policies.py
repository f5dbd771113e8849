"""DeadLetterPolicies: they have no bus, and what is said of them hangs on who uses them and what these hold."""

import asyncio
from collections.abc import Mapping
from typing import Any

from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.metadata import Metadata
from eventplane.controllers.gauge_book import GaugeBook
from eventplane.controllers.parsing import identity, parse
from eventplane.controllers.queue import Urgency
from eventplane.controllers.reconcile import Next, Surroundings
from eventplane.controllers.shelf import Key
from eventplane.controllers.status_lane import StatusLane
from eventplane.controllers.store import Store
from eventplane.planning.dead_letter_readiness import policy_status
from eventplane.planning.gauges import Account
from eventplane.planning.outcome import Rejected, Unavailable


class PolicyLane(StatusLane):
    """Says what is the case about policies."""

    def __init__(self, surroundings: Surroundings, resync_seconds: float) -> None:
        """Prepare to work.

        Args:
            surroundings: where policies, their users and what these hold are looked up.
            resync_seconds: how often all of them are looked at again.
        """
        super().__init__(DeadLetterPolicy.kind)
        self._store = surroundings.store
        self._reporter = surroundings.reporter
        self._metrics = surroundings.metrics
        self._gauges = surroundings.gauges
        self._resync_seconds = resync_seconds

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            tasks.create_task(self._resync())

    async def tell(self, key: Key) -> Next:
        """Say what is the case about a policy, if it differs from what its status says."""
        policy = self._store.policies.get(key)
        if policy is None:
            return Next.DONE
        users = users_of(key, self._store, self._gauges)
        status = policy_status(policy, self._store.policies.invalid(key), users)
        self._metrics.reconciled.labels(self._kind, status.conditions[0].reason).inc()
        try:
            await self._reporter.policy_status(policy, status)
        except (Unavailable, Rejected):
            return Next.RETRY
        return Next.DONE

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._resync_seconds)
            for key in self._store.policies:
                self.queue.add(key, Urgency.RESYNC)


def users_of(key: Key, store: Store, gauges: GaugeBook) -> Mapping[str, Account | None]:
    """Find the Subscriptions that name a policy, all of its namespace, and what is known of their topics."""
    users = store.users_of((DeadLetterPolicy.kind, key))
    return {user[1]: gauges.account_of(user) for _, user in users}


class PolicyTrack:
    """Takes note of policies, and once this replica leads, keeps their lane busy."""

    def __init__(self, store: Store) -> None:
        self.shelf = store.policies
        self._store = store
        self._lane: PolicyLane | None = None

    def lead(self, lane: PolicyLane) -> None:
        """Start to act: every policy is dirty."""
        self._lane = lane
        for key in self.shelf:
            self.mark(key, Urgency.RESYNC)

    def stop(self) -> None:
        """Stop to act."""
        self._lane = None

    def seen(self, body: Mapping[str, Any]) -> None:
        """Take note of a policy; mark it dirty if something about it matters."""
        shown = Metadata.model_validate(body["metadata"])
        known = self.shelf.get(shown.key)
        if self._store.is_news(known.metadata if known else None, shown):
            policy, invalid = parse(DeadLetterPolicy, body)
            if self.shelf.put(policy, invalid):
                self.mark(shown.key, Urgency.CHANGE)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """Forget a policy."""
        namespace, name, uid = identity(body)
        self.shelf.remove((namespace, name), uid)

    def mark(self, key: Key, urgency: Urgency) -> None:
        """Mark a policy dirty; one that does not exist is left out."""
        if self._lane is not None and key in self.shelf:
            self._lane.queue.add(key, urgency)
