"""The PrincipalBackend of a real Kafka cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from eventplane.backends.access_refusals import EVERYBODY, refusal, refusal_of_user
from eventplane.backends.kafka.access_freshness import FreshAccess, Sight
from eventplane.backends.kafka.acls import Acls
from eventplane.backends.kafka.client import KafkaClient, OnCall
from eventplane.backends.kafka.descriptions import describe_brokers
from eventplane.backends.kafka.scram import Passwords
from eventplane.backends.kafka.wire_client import WireClient
from eventplane.backends.topics import ClusterState
from eventplane.backends.waves import Make, apply_in_waves
from eventplane.planning.access_changes import (
    GrantAccess,
    PrincipalChange,
    RemovePassword,
    RemoveUser,
    RevokeAccess,
    SetPassword,
)
from eventplane.planning.access_state import Grant, ObservedPrincipal, PrincipalQuery
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.outcome import BackendError, Outcome

PrincipalOutcome: TypeAlias = Outcome[PrincipalChange, ObservedPrincipal]
_Request: TypeAlias = Callable[[Sequence[Any]], Awaitable[dict[str, BackendError]]]
"""Makes changes of one type, one a user, and returns what went wrong by user."""

_NOTHING: Final[frozenset[Grant]] = frozenset()


class KafkaPrincipalBackend:
    """Users of one Kafka cluster with their passwords and ACLs, in batches, for one event loop."""

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        client_id: str,
        timeout_seconds: float = 15.0,
        on_call: OnCall | None = None,
    ) -> None:
        """Prepare to connect; nothing is sent before the first call.

        Args:
            connection: where and as whom.
            client_id: what the brokers' logs and quotas know this client by.
            timeout_seconds: how long an answer is waited for; a probe waits 2 s.
            on_call: told of every request: the API's name, seconds, whether it was answered; from the event loop.

        Raises:
            Rejected: the connection makes no sense to the client, such as a certificate that is none.
        """
        self._client = KafkaClient(connection, client_id=client_id, timeout_seconds=timeout_seconds, on_call=on_call)
        self._wire = WireClient(
            connection, client_id=client_id, thread=f"{client_id}-users", timeout_seconds=timeout_seconds
        )
        self._passwords = Passwords(self._client, self._wire)
        self._acls = Acls(self._client)
        self._fresh = FreshAccess(self._passwords, self._acls)
        self._makes: Mapping[type[PrincipalChange], Make[PrincipalChange, ObservedPrincipal]] = {
            SetPassword: _outcomes(self._set_passwords),
            GrantAccess: _outcomes(self._grant),
            RevokeAccess: _outcomes(self._revoke),
            RemovePassword: _outcomes(self._remove_passwords),
            RemoveUser: _outcomes(self._remove),
        }

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is; see PrincipalBackend."""
        return await describe_brokers(self._client)

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users with a password or an ACL; see PrincipalBackend."""
        sight = await self._fresh.look_at_all(prefix)
        return frozenset(
            user
            for user in (*sight.credentials, *sight.grants, *sight.denied)
            if user.startswith(prefix) and user != EVERYBODY
        )

    async def observe(self, keys: Collection[PrincipalQuery]) -> Mapping[PrincipalQuery, ObservedPrincipal]:
        """Look at users; see Backend."""
        users = list(dict.fromkeys(key.user for key in keys if refusal_of_user(key.user) is None))
        sight = await self._fresh.look(users) if users else Sight({}, {})
        return {key: _observed(key, sight) for key in keys}

    async def apply(self, changes: Sequence[PrincipalChange]) -> Sequence[PrincipalOutcome]:
        """Make changes; see Backend."""
        return await apply_in_waves(changes, self._makes, lambda change: change.user)

    async def close(self) -> None:
        """Release connections and threads, within a second."""
        await asyncio.gather(self._wire.close(), self._client.close(lambda: None))

    async def _set_passwords(self, changes: Sequence[SetPassword]) -> dict[str, BackendError]:
        errors = await self._passwords.set(changes)
        for change in changes:
            if change.user not in errors:
                self._fresh.password_set(change)
        return errors

    async def _grant(self, changes: Sequence[GrantAccess]) -> dict[str, BackendError]:
        errors = await self._acls.grant(changes)
        for change in changes:
            if change.user not in errors:
                self._fresh.granted(change)
        return errors

    async def _revoke(self, changes: Sequence[RevokeAccess]) -> dict[str, BackendError]:
        errors = await self._acls.revoke(changes)
        for change in changes:
            if change.user not in errors:
                self._fresh.revoked(change)
        return errors

    async def _remove_passwords(self, changes: Sequence[RemovePassword]) -> dict[str, BackendError]:
        errors = await self._passwords.delete([change.user for change in changes])
        for change in changes:
            if change.user not in errors:
                self._fresh.password_removed(change.user)
        return errors

    async def _remove(self, changes: Sequence[RemoveUser]) -> dict[str, BackendError]:
        """Take the passwords first: whoever can log in no more can use no ACL either."""
        users = [change.user for change in changes]
        errors = await self._passwords.delete(users)
        errors |= await self._acls.remove(user for user in users if user not in errors)
        for user in users:
            if user not in errors:
                self._fresh.removed(user)
        return errors


def _outcomes(request: _Request) -> Make[PrincipalChange, ObservedPrincipal]:
    """Make outcomes of errors by user; what is refused beforehand is not asked for."""

    async def make(changes: Sequence[PrincipalChange]) -> Sequence[PrincipalOutcome]:
        errors: dict[str, BackendError] = {
            change.user: error for change in changes if (error := refusal(change)) is not None
        }
        sound = [change for change in changes if change.user not in errors]
        errors |= await request(sound) if sound else {}
        return [Outcome(change, errors.get(change.user)) for change in changes]

    return make


def _observed(query: PrincipalQuery, sight: Sight) -> ObservedPrincipal:
    error = refusal_of_user(query.user) or sight.denied.get(query.user)
    if error is not None:
        return ObservedPrincipal(query.user, error=error)
    passwords = sight.credentials.get(query.user, {})
    return ObservedPrincipal(
        query.user,
        passwords.get(query.mechanism) if query.mechanism is not None else None,
        sight.grants.get(query.user, _NOTHING),
    )
