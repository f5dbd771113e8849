"""The access of applications: the Secrets in the cluster and the users in Kafka, as one backend."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from eventplane.api.conditions import Reason
from eventplane.backends.kubernetes import Conflict, Gone
from eventplane.backends.principals import PrincipalBackend
from eventplane.backends.topics import ClusterState
from eventplane.planning.access_changes import AccessChange, WriteSecret
from eventplane.planning.access_state import (
    AccessQuery,
    ObservedAccess,
    ObservedPrincipal,
    ObservedSecret,
    PrincipalQuery,
)
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable

LookAtSecret: TypeAlias = Callable[[str, str], Awaitable[ObservedSecret]]
"""Reads a Secret by namespace and name; raises Unavailable or Rejected."""
Write: TypeAlias = Callable[[WriteSecret], Awaitable[None]]
"""Writes a Secret; raises Unavailable, Rejected, Conflict, or Gone."""
AccessOutcome: TypeAlias = Outcome[AccessChange, ObservedAccess]


class AccessBackend:
    """What applications have: see `Backend`. Of one application's changes, the Secret comes first."""

    def __init__(
        self, connection: KafkaConnection, principals: PrincipalBackend, look_at_secret: LookAtSecret, write: Write
    ) -> None:
        self.connection = connection
        """How the operator reaches this Kafka, from which follows how applications do."""
        self._principals = principals
        self._look_at_secret = look_at_secret
        self._write = write

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is; see PrincipalBackend."""
        return await self._principals.probe()

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users whose name begins with a prefix; see PrincipalBackend."""
        return await self._principals.users(prefix)

    async def close(self) -> None:
        """Release connections."""
        await self._principals.close()

    async def observe(self, keys: Collection[AccessQuery]) -> Mapping[AccessQuery, ObservedAccess]:
        """Look at users in few requests, and at Secrets in one each."""
        asked = {key.principal for key in keys if key.principal is not None}
        principals: Mapping[PrincipalQuery, ObservedPrincipal] = await self._principals.observe(asked) if asked else {}
        secrets = await asyncio.gather(*(self._secret(key) for key in keys))
        return {
            key: _seen(secret, principals[key.principal] if key.principal is not None else None)
            for key, secret in zip(keys, secrets, strict=True)
        }

    async def _secret(self, key: AccessQuery) -> ObservedSecret | BackendError:
        try:
            return await self._look_at_secret(key.namespace, key.secret_name)
        except (Unavailable, Rejected) as error:
            return error

    async def apply(self, changes: Sequence[AccessChange]) -> Sequence[AccessOutcome]:
        """Write the Secrets, then change the users whose Secrets did not fail."""
        writes = [change for change in changes if isinstance(change, WriteSecret)]
        errors = await asyncio.gather(*(self._written(each) for each in writes))
        written = {(each.namespace, each.name): error for each, error in zip(writes, errors, strict=True)}
        failed = {each.user: error for each, error in zip(writes, errors, strict=True) if error is not None}
        rest = [change for change in changes if not isinstance(change, WriteSecret) and change.user not in failed]
        changed = iter(await self._principals.apply(rest) if rest else ())
        outcomes: list[AccessOutcome] = []
        for change in changes:
            if isinstance(change, WriteSecret):
                error = written[change.namespace, change.name]
            else:
                error = failed[change.user] if change.user in failed else next(changed).error
            outcomes.append(Outcome(change, error))
        return outcomes

    async def _written(self, change: WriteSecret) -> BackendError | None:
        try:
            await self._write(change)
        except (Unavailable, Rejected) as error:
            return error
        except (Conflict, Gone) as error:
            return Unavailable(f"Secret {change.name} was not written: {error}", Reason.INTERNAL_ERROR)
        return None


def _seen(secret: ObservedSecret | BackendError, principal: ObservedPrincipal | None) -> ObservedAccess:
    if isinstance(secret, BackendError):
        return ObservedAccess(error=secret)
    if principal is not None and principal.error is not None:
        return ObservedAccess(error=principal.error)
    return ObservedAccess(secret, principal)
