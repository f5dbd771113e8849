"""What happens to the Deployments and pods of applications, watched where there are any: it makes them dirty at once.

kopf picks objects by label only after it has got all of them, whole, and clusterwide: hence watches of our own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from eventplane.api import GROUP, MANAGED_BY_LABEL, MANAGER
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.backends.kubernetes import Gone
from eventplane.backends.kubernetes_watch import Watch
from eventplane.controllers.store import Store
from eventplane.planning.dependencies import Place
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.relay_manifests import PUBLICATION_ANNOTATION
from eventplane.planning.workload_desired import SUBSCRIPTION_ANNOTATION

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""How often it is found out where there is something to watch."""
GATHER_SECONDS: Final = 0.2
"""How long what happens to one application's pods is gathered: Kubernetes writes several times in a row."""
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 30.0
FORBIDDEN_RETRY_SECONDS: Final = 60.0
_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGER}"

_ANNOTATIONS: Final[Mapping[str, str]] = {
    Publication.kind: PUBLICATION_ANNOTATION,
    Subscription.kind: SUBSCRIPTION_ANNOTATION,
}
"""By kind: what names the application of a pod."""

Watched: TypeAlias = tuple[str, str]
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
    """Watches Deployments wherever applications have some, and pods wherever not all of those are at work."""

    def __init__(self, watch: Watch, store: Store, mark: Callable[[Iterable[Place]], None]) -> None:
        """Take `mark` to make applications dirty."""
        self._watch = watch
        self._store = store
        self._mark = mark
        self._tasks: dict[Watched, asyncio.Task[None]] = {}
        self._gathering: set[Place] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                self._follow(places_to_watch(self._store))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, wanted: set[Watched]) -> None:
        for place in self._tasks.keys() - wanted:
            self._tasks.pop(place).cancel()
        for place in wanted - self._tasks.keys():
            self._tasks[place] = asyncio.create_task(self._keep_watching(place))

    async def _keep_watching(self, place: Watched) -> None:
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

    async def _watch_once(self, place: Watched, course: "_Course") -> None:
        namespace, plural = place
        path = f"/{'apis/apps' if plural == 'deployments' else 'api'}/v1/namespaces/{namespace}/{plural}"
        async for event, metadata in self._watch.changes(path, _SELECTOR, course.since):
            course.went_on(metadata)
            if event != "BOOKMARK":
                self._seen(namespace, metadata)

    def _seen(self, namespace: str, metadata: Mapping[str, Any]) -> None:
        found = application_of(metadata)
        if found is None:
            return
        kind, name = found
        application = (kind, (namespace, name))
        if application not in self._gathering:
            self._gathering.add(application)
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell, application)

    def _tell(self, application: Place) -> None:
        self._gathering.discard(application)
        self._mark((application,))


def places_to_watch(store: Store) -> set[Watched]:
    """Name where there is something to watch."""
    places: set[Watched] = set()
    for shelf in store.applications:
        for (namespace, _), application in shelf.items():
            workload = application.status.workload
            if workload is None:
                continue
            places.add((namespace, "deployments"))
            if not workload.is_rolled_out:
                places.add((namespace, "pods"))
    return places


def application_of(metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    """Name kind and name of the application of a Deployment, by its owner, or of a pod, by its annotation."""
    for each in metadata.get("ownerReferences") or ():
        if each["kind"] in _ANNOTATIONS and each["apiVersion"].partition("/")[0] == GROUP:
            return each["kind"], str(each["name"])
    annotations = metadata.get("annotations") or {}
    return next(((kind, annotations[name]) for kind, name in _ANNOTATIONS.items() if name in annotations), None)
