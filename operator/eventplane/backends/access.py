"""The access of applications: the Secrets in the cluster and the users in Kafka, as one backend."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeAlias, get_args

from eventplane.api.conditions import Reason
from eventplane.backends.kubernetes import Conflict, Gone
from eventplane.backends.principals import PrincipalBackend
from eventplane.backends.topics import ClusterState
from eventplane.backends.waves import Make, apply_in_waves
from eventplane.planning.access_changes import (
    AccessChange,
    PrincipalChange,
    SetPassword,
    WriteSecret,
    application_of,
)
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_state import (
    AccessQuery,
    Grant,
    ObservedAccess,
    ObservedPrincipal,
    ObservedSecret,
    PrincipalQuery,
)
from eventplane.planning.connection import AccessConnection
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable

LookAtSecret: TypeAlias = Callable[[str, str], Awaitable[ObservedSecret]]
"""Reads a Secret by namespace and name; raises Unavailable or Rejected."""
Write: TypeAlias = Callable[[WriteSecret], Awaitable[None]]
"""Writes a Secret; raises Unavailable, Rejected, Conflict, or Gone."""
AccessOutcome: TypeAlias = Outcome[AccessChange, ObservedAccess]


class AccessBackend:
    """What applications have: see `Backend`.

    An application, with its Secret and both of its users, is one thing. A Secret is written after changes of the user
    that it names only when Kafka shows them.
    """

    def __init__(
        self, connection: AccessConnection, principals: PrincipalBackend, look_at_secret: LookAtSecret, write: Write
    ) -> None:
        self.connection = connection
        """What access is made with: how the operator reaches this Kafka, from which follows how applications do."""
        self._principals = principals
        self._look_at_secret = look_at_secret
        self._write = write

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is; see PrincipalBackend."""
        return await self._principals.probe()

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users whose name begins with a prefix; see PrincipalBackend."""
        return await self._principals.users(prefix)

    async def grants(self, users: Collection[str]) -> Mapping[str, frozenset[Grant]]:
        """Tell what users may do, whose access this is or not; those that cannot be told of are left out."""
        seen = await self._principals.observe({PrincipalQuery(user, None) for user in users})
        return {each.user: each.grants for each in seen.values() if each.error is None}

    async def close(self) -> None:
        """Release connections."""
        await self._principals.close()

    async def observe(self, keys: Collection[AccessQuery]) -> Mapping[AccessQuery, ObservedAccess]:
        """Look at users in few requests, and at Secrets in one each."""
        asked = {principal for key in keys for principal in key.principals()}
        principals: Mapping[PrincipalQuery, ObservedPrincipal] = await self._principals.observe(asked) if asked else {}
        secrets = await asyncio.gather(*(self._secret(key) for key in keys))
        return {
            key: _seen(secret, [principals[each] for each in key.principals()])
            for key, secret in zip(keys, secrets, strict=True)
        }

    async def _secret(self, key: AccessQuery) -> ObservedSecret | BackendError:
        try:
            return await self._look_at_secret(key.namespace, key.secret_name)
        except (Unavailable, Rejected) as error:
            return error

    async def apply(self, changes: Sequence[AccessChange]) -> Sequence[AccessOutcome]:
        """Make the changes of each application in their order; see Backend."""
        made_before = _made_before_secrets(changes)

        async def write(secrets: Sequence[WriteSecret]) -> Sequence[AccessOutcome]:
            unknown = await self._unknown([made_before[user] for each in secrets if (user := each.user) in made_before])
            return await asyncio.gather(*(self._write_known(each, unknown) for each in secrets))

        makes: dict[type[AccessChange], Make[AccessChange, ObservedAccess]] = {WriteSecret: write}
        makes |= dict.fromkeys(get_args(PrincipalChange), self._change_principals)
        return await apply_in_waves(changes, makes, application_of)

    async def _change_principals(self, changes: Sequence[PrincipalChange]) -> Sequence[AccessOutcome]:
        return [Outcome(each.change, each.error) for each in await self._principals.apply(changes)]

    async def _unknown(self, made: Sequence[Sequence[PrincipalChange]]) -> Mapping[str | None, BackendError]:
        """Tell of which users Kafka does not show what was just made, and why: no Secret may send clients there yet."""
        wanted = {
            PrincipalQuery(change.user, change.mechanism): observed_after(ObservedAccess(), those).user(change.user)
            for those in made
            for change in those
            if isinstance(change, SetPassword)
        }
        try:
            seen = await self._principals.observe(wanted.keys()) if wanted else {}
        except (Unavailable, Rejected) as error:
            return {query.user: error for query in wanted}
        return {
            query.user: seen[query].error or Unavailable(f"Kafka does not show yet what was made of user {query.user}")
            for query, user in wanted.items()
            if not _shows(seen[query], user)
        }

    async def _write_known(self, change: WriteSecret, unknown: Mapping[str | None, BackendError]) -> AccessOutcome:
        error = unknown.get(change.user)
        return Outcome(change, error if error is not None else await self._written(change))

    async def _written(self, change: WriteSecret) -> BackendError | None:
        try:
            await self._write(change)
        except (Unavailable, Rejected) as error:
            return error
        except (Conflict, Gone) as error:
            return Unavailable(f"Secret {change.name} was not written: {error}", Reason.INTERNAL_ERROR)
        return None


def _made_before_secrets(changes: Sequence[AccessChange]) -> Mapping[str | None, Sequence[PrincipalChange]]:
    """List what is made of those users whose Secret is written only then."""
    made: defaultdict[str | None, list[PrincipalChange]] = defaultdict(list)
    before: dict[str | None, Sequence[PrincipalChange]] = {}
    for change in changes:
        if not isinstance(change, WriteSecret):
            made[change.user].append(change)
        elif change.user in made:
            before[change.user] = tuple(made[change.user])
    return before


def _shows(seen: ObservedPrincipal, wanted: ObservedPrincipal) -> bool:
    return seen.iterations == wanted.iterations and seen.grants >= wanted.grants


def _seen(secret: ObservedSecret | BackendError, principals: Sequence[ObservedPrincipal]) -> ObservedAccess:
    if isinstance(secret, BackendError):
        return ObservedAccess(error=secret)
    error = next((each.error for each in principals if each.error is not None), None)
    if error is not None:
        return ObservedAccess(error=error)
    first, second = (*principals, None, None)[:2]
    return ObservedAccess(secret, first, second)
