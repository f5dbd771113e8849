"""What happens to the Deployments and pods of Subscriptions, watched where there are any: it makes them dirty at once.

kopf picks objects by label only after it has got all of them, whole, and clusterwide: hence watches of our own.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from eventplane.api import GROUP, MANAGED_BY_LABEL, MANAGER
from eventplane.api.subscription import Subscription
from eventplane.backends.kubernetes import Gone
from eventplane.backends.kubernetes_watch import Watch
from eventplane.controllers.shelf import Key, Shelf
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.workload_desired import SUBSCRIPTION_ANNOTATION

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""How often it is found out where there is something to watch."""
GATHER_SECONDS: Final = 0.2
"""How long what happens to one Subscription's pods is gathered: Kubernetes writes several times in a row."""
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 30.0
FORBIDDEN_RETRY_SECONDS: Final = 60.0
_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGER}"

Place: TypeAlias = tuple[str, str]
"""A namespace, and `deployments` or `pods`."""


@dataclass(slots=True)
class _Course:
    """How far a watch has come."""

    since: str = ""
    """The resourceVersion up to which all has been seen; empty where everything has to be looked at again."""
    failures: int = 0
    """How often it has failed since it last told something."""

    def went_on(self, metadata: Mapping[str, Any]) -> None:
        """Take note of what was told."""
        self.since, self.failures = str(metadata.get("resourceVersion", self.since)), 0

    def failed(self, error: Exception) -> float:
        """Take note of a failure; return how long to wait, seconds."""
        if not isinstance(error, Unavailable):
            self.since = ""
        self.failures += 1
        if isinstance(error, Rejected):
            return FORBIDDEN_RETRY_SECONDS
        return float(min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self.failures - 1, 8)))


class WorkloadWatch:
    """Watches Deployments wherever Subscriptions have some, and pods wherever not all of those are at work."""

    def __init__(self, watch: Watch, subscriptions: Shelf[Subscription], mark: Callable[[Key], None]) -> None:
        """Take `mark` to make a Subscription dirty."""
        self._watch = watch
        self._subscriptions = subscriptions
        self._mark = mark
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._gathering: set[Key] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                self._follow(places_to_watch(self._subscriptions))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, wanted: set[Place]) -> None:
        for place in self._tasks.keys() - wanted:
            self._tasks.pop(place).cancel()
        for place in wanted - self._tasks.keys():
            self._tasks[place] = asyncio.create_task(self._keep_watching(place))

    async def _keep_watching(self, place: Place) -> None:
        """Watch for good: where a watch was from where it was, every few minutes and after a failure."""
        fields = {"namespace": place[0], "of": place[1]}
        course = _Course()
        while True:
            pause = GATHER_SECONDS
            try:
                await self._watch_once(place, course)
            except (Gone, Rejected, Unavailable) as error:
                pause = course.failed(error)
                level = logging.WARNING if course.failures == 1 and isinstance(error, Rejected) else logging.DEBUG
                logger.log(level, "not watched: %s", error, extra={"fields": fields})
            except Exception as error:
                pause = course.failed(error)
                logger.exception("not watched: this is a fault of the operator", extra={"fields": fields})
            await asyncio.sleep(pause)

    async def _watch_once(self, place: Place, course: "_Course") -> None:
        namespace, plural = place
        path = f"/{'apis/apps' if plural == 'deployments' else 'api'}/v1/namespaces/{namespace}/{plural}"
        async for event, metadata in self._watch.changes(path, _SELECTOR, course.since):
            course.went_on(metadata)
            if event != "BOOKMARK":
                self._seen(namespace, metadata)

    def _seen(self, namespace: str, metadata: Mapping[str, Any]) -> None:
        name = subscription_of(metadata)
        key = (namespace, name or "")
        if name is None or key in self._gathering:
            return
        self._gathering.add(key)
        asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell, key)

    def _tell(self, key: Key) -> None:
        self._gathering.discard(key)
        self._mark(key)


def places_to_watch(subscriptions: Shelf[Subscription]) -> set[Place]:
    """Name where there is something to watch."""
    places: set[Place] = set()
    for (namespace, _), subscription in subscriptions.items():
        workload = subscription.status.workload
        if workload is None:
            continue
        places.add((namespace, "deployments"))
        if not workload.is_rolled_out:
            places.add((namespace, "pods"))
    return places


def subscription_of(metadata: Mapping[str, Any]) -> str | None:
    """Name the Subscription of a Deployment, by its owner, or of a pod, by its annotation."""
    for each in metadata.get("ownerReferences") or ():
        if each["kind"] == Subscription.kind and each["apiVersion"].partition("/")[0] == GROUP:
            return str(each["name"])
    name = (metadata.get("annotations") or {}).get(SUBSCRIPTION_ANNOTATION)
    return str(name) if name is not None else None
