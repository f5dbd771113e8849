"""Applications as one backend: their access, and what they become inside of the cluster."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from eventplane.backends.access import AccessBackend
from eventplane.backends.objects import ObjectBackend
from eventplane.backends.topics import ClusterState
from eventplane.planning.access_changes import AccessChange, WriteSecret
from eventplane.planning.access_state import AccessQuery, Grant, ObservedAccess
from eventplane.planning.applications import ApplicationChange
from eventplane.planning.connection import AccessConnection
from eventplane.planning.objects import ApplyObject, DeleteObject, Manifest, ObjectChange, ObjectKey, ObservedObject
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.workload_readiness import deployment_state

ApplicationOutcome: TypeAlias = Outcome[ApplicationChange, Any]


@dataclass(frozen=True, slots=True)
class ApplicationQuery:
    """What to observe for one application."""

    access: AccessQuery
    objects: frozenset[ObjectKey] = frozenset()
    deployment: ObjectKey | None = None
    """The one of the objects whose pods are looked at, if not all of it is at work."""


@dataclass(frozen=True, slots=True)
class ObservedApplication:
    """What was seen of one application."""

    access: ObservedAccess
    objects: Mapping[ObjectKey, ObservedObject] = field(default_factory=dict)
    pods: tuple[Manifest, ...] = ()


class ApplicationBackend:
    """What applications have and are: see `Backend`. Of one application's changes, its access comes first."""

    def __init__(self, access: AccessBackend, objects: ObjectBackend) -> None:
        self._access = access
        self._objects = objects

    @property
    def connection(self) -> AccessConnection:
        """What access is made with."""
        return self._access.connection

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is; see PrincipalBackend."""
        return await self._access.probe()

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users whose name begins with a prefix; see PrincipalBackend."""
        return await self._access.users(prefix)

    async def grants(self, users: Collection[str]) -> Mapping[str, frozenset[Grant]]:
        """Tell what users may do; see AccessBackend."""
        return await self._access.grants(users)

    async def serves(self, api_version: str) -> bool:
        """Tell whether the cluster has kinds of an API group and version; see ObjectBackend."""
        return await self._objects.serves(api_version)

    async def close(self) -> None:
        """Release connections."""
        await self._access.close()

    async def observe(self, keys: Collection[ApplicationQuery]) -> Mapping[ApplicationQuery, ObservedApplication]:
        """Look at the access and at the objects side by side, then at the pods of those that are not at work."""
        wanted = {key for query in keys for key in query.objects}
        access, objects = await asyncio.gather(
            self._access.observe({query.access for query in keys}), self._objects.observe(wanted)
        )
        deployments = {query.deployment for query in keys if query.deployment is not None}
        pods = await self._pods({key for key in deployments if _is_unfinished(objects[key])})
        return {
            query: ObservedApplication(
                access[query.access],
                {key: objects[key] for key in query.objects},
                pods.get(query.deployment, ()) if query.deployment is not None else (),
            )
            for query in keys
        }

    async def _pods(self, deployments: Collection[ObjectKey]) -> Mapping[ObjectKey, tuple[Manifest, ...]]:
        """List pods, or none: they only say why something is as it is."""
        try:
            return await self._objects.pods(deployments) if deployments else {}
        except (Unavailable, Rejected):
            return {}

    async def apply(self, changes: Sequence[ApplicationChange]) -> Sequence[ApplicationOutcome]:
        """Change the access, then the objects of those whose access did not fail."""
        first = [change for change in changes if not isinstance(change, ApplyObject | DeleteObject)]
        accessed = await self._access.apply(first) if first else ()
        failures = _failures(accessed)
        objects = [change for change in changes if isinstance(change, ApplyObject | DeleteObject)]
        wanted = [change for change in objects if _obstacle(change, failures) is None]
        made = iter(await self._objects.apply(wanted) if wanted else ())
        theirs = iter(accessed)
        outcomes: list[ApplicationOutcome] = []
        for change in changes:
            if isinstance(change, ApplyObject | DeleteObject):
                obstacle = _obstacle(change, failures)
                outcomes.append(next(made) if obstacle is None else Outcome(change, obstacle))
            else:
                outcomes.append(next(theirs))
        return outcomes


_Failures: TypeAlias = Mapping[object, BackendError]


def _failures(outcomes: Sequence[Outcome[AccessChange, Any]]) -> _Failures:
    """Tell what failed, by the user whom it was about and by the owner of the Secret that was not written."""
    failed: dict[object, BackendError] = {}
    for outcome in outcomes:
        if outcome.error is not None:
            failed.setdefault(outcome.change.user, outcome.error)
            if isinstance(outcome.change, WriteSecret):
                failed.setdefault((outcome.change.namespace, outcome.change.owner), outcome.error)
    failed.pop(None, None)
    return failed


def _obstacle(change: ObjectChange, failures: _Failures) -> BackendError | None:
    things = ((change.key.namespace, change.owner), *sorted(change.users))
    return next((failures[thing] for thing in things if thing in failures), None)


def _is_unfinished(seen: ObservedObject) -> bool:
    return seen.manifest is not None and not deployment_state(seen.manifest).complete
