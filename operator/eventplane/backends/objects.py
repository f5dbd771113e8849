"""The seam to what resources become inside of the cluster: objects of any kind, applied from manifests."""

from collections.abc import Collection, Mapping
from typing import Protocol

from eventplane.backends import Backend
from eventplane.planning.objects import Manifest, ObjectChange, ObjectKey, ObservedObject


class ObjectBackend(Backend[ObjectKey, ObservedObject, ObjectChange], Protocol):
    """The API server as a keeper of objects, see `Backend`. The changes that concern one thing are those of one owner.

    * What others have set in an object and a manifest does not speak of stays; what an earlier manifest said and a
      later one does not goes.
    * An object whose namesake has another uid is not deleted.
    * The outcome of an ApplyObject that is done carries the object as it is then.
    """

    async def serves(self, api_version: str) -> bool:
        """Tell whether there are kinds of an API group and version, as was the case within the last half minute.

        Raises:
            Unavailable: no answer.
        """
        ...

    async def pods(self, deployments: Collection[ObjectKey]) -> Mapping[ObjectKey, tuple[Manifest, ...]]:
        """List the pods of Deployments.

        Raises:
            Unavailable: no answer.
            Rejected: the operator may not list them.
        """
        ...
