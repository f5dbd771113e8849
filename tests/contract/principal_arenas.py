"""The places where the contract of a PrincipalBackend is tried: a cluster, backends on it, a foreigner with hands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from eventplane.api.conditions import Reason
from eventplane.backends.kafka import KafkaPrincipalBackend
from eventplane.backends.memory_principals import Acl, MemoryPrincipalBackend, MemoryPrincipals
from eventplane.planning.access_state import Grant
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.outcome import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from e2e.servers.kafka import Kafka
    from eventplane.backends.principals import PrincipalBackend
    from eventplane.planning.access_state import ScramMechanism as MechanismName

_SECONDS = 20
_RESOURCES = {
    "TOPIC": ResourceType.TOPIC,
    "GROUP": ResourceType.GROUP,
    "TRANSACTIONAL_ID": ResourceType.TRANSACTIONAL_ID,
    "CLUSTER": ResourceType.BROKER,
}
_MECHANISMS: dict[MechanismName, ScramMechanism] = {
    "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512,
    "SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256,
}


class PrincipalArena(Protocol):
    """A cluster whose users backends look at, and a foreigner, who is no backend, changes."""

    brokers: int

    def backend(self) -> PrincipalBackend:
        """Open a backend; it is closed with the arena."""
        ...

    async def set_password(self, user: str, mechanism: MechanismName, password: str, iterations: int) -> None: ...
    async def drop_password(self, user: str, mechanism: MechanismName) -> None: ...
    async def add_acl(self, acl: Acl) -> None: ...
    async def drop_acl(self, acl: Acl) -> None: ...

    async def acls(self, user: str) -> frozenset[Acl]:
        """List every ACL for a user, whatever it says."""
        ...

    async def logs_in(self, user: str, password: str) -> bool:
        """Tell whether a client can log in by SCRAM-SHA-512."""
        ...


class MemoryPrincipalArena:
    """Users in memory."""

    def __init__(self) -> None:
        self.principals = MemoryPrincipals()
        self.brokers = self.principals.state.brokers

    def backend(self) -> PrincipalBackend:
        return MemoryPrincipalBackend(self.principals)

    async def set_password(self, user: str, mechanism: MechanismName, password: str, iterations: int) -> None:
        self.principals.set_password(user, mechanism, password, iterations)

    async def drop_password(self, user: str, mechanism: MechanismName) -> None:
        self.principals.drop_password(user, mechanism)

    async def add_acl(self, acl: Acl) -> None:
        self.principals.add_acl(acl)

    async def drop_acl(self, acl: Acl) -> None:
        self.principals.drop_acl(acl)

    async def acls(self, user: str) -> frozenset[Acl]:
        return self.principals.acls(user)

    async def logs_in(self, user: str, password: str) -> bool:
        return self.principals.logs_in(user, "SCRAM-SHA-512", password)


class KafkaPrincipalArena:
    """The users of a real cluster; the foreigner is its super user."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.brokers: int = kafka.identity.brokers
        self.requests: list[str] = []
        """The APIs that were called by the backends opened here."""
        self._backends: list[KafkaPrincipalBackend] = []
        self._admin = AdminClient(kafka.client_config("PLAINTEXT") | {"log_level": 0})

    def backend(self) -> KafkaPrincipalBackend:
        return self.backend_as(KafkaConnection(tuple(self.kafka.bootstrap("PLAINTEXT").split(","))))

    def backend_as(self, connection: KafkaConnection, timeout_seconds: float = 15.0) -> KafkaPrincipalBackend:
        """Open a backend as somebody else, or more impatient."""
        backend = KafkaPrincipalBackend(
            connection,
            client_id="contract",
            timeout_seconds=timeout_seconds,
            on_call=lambda api, _seconds, _answered: self.requests.append(api),
        )
        self._backends.append(backend)
        return backend

    def login(self, user: str, password: str) -> KafkaConnection:
        """Return the way in by a password."""
        return KafkaConnection(
            tuple(self.kafka.bootstrap("SASL_PLAINTEXT").split(",")),
            mechanism="SCRAM-SHA-512",
            username=user,
            password=password,
        )

    async def set_password(self, user: str, mechanism: MechanismName, password: str, iterations: int) -> None:
        information = ScramCredentialInfo(_MECHANISMS[mechanism], iterations)
        change = UserScramCredentialUpsertion(user, information, password.encode())
        await self._done(self._admin.alter_user_scram_credentials([change])[user])
        await self._until(lambda: self._iterations(user, mechanism) == iterations)

    async def drop_password(self, user: str, mechanism: MechanismName) -> None:
        change: Any = UserScramCredentialDeletion(user, _MECHANISMS[mechanism])
        await self._done(self._admin.alter_user_scram_credentials([change])[user])
        await self._until(lambda: self._iterations(user, mechanism) is None)

    async def add_acl(self, acl: Acl) -> None:
        binding = AclBinding(*_fields(acl))
        await self._done(self._admin.create_acls([binding])[binding])
        await self._until(lambda: acl in self._acls(acl.user))

    async def drop_acl(self, acl: Acl) -> None:
        exactly = AclBindingFilter(*_fields(acl))
        await self._done(self._admin.delete_acls([exactly])[exactly])
        await self._until(lambda: acl not in self._acls(acl.user))

    async def acls(self, user: str) -> frozenset[Acl]:
        return await asyncio.to_thread(self._acls, user)

    async def logs_in(self, user: str, password: str) -> bool:
        backend = self.backend_as(self.login(user, password))
        try:
            await backend.probe()
        except Rejected as error:
            if error.reason == Reason.AUTHENTICATION_FAILED:
                return False
            raise
        return True

    async def close(self) -> None:
        for backend in self._backends:
            await backend.close()

    def _iterations(self, user: str, mechanism: MechanismName) -> int | None:
        futures: Any = self._admin.describe_user_scram_credentials([user])
        try:
            description = futures[user].result(_SECONDS)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.RESOURCE_NOT_FOUND:
                return None
            raise
        found = {info.mechanism: info.iterations for info in description.scram_credential_infos}
        return found.get(_MECHANISMS[mechanism])

    def _acls(self, user: str) -> frozenset[Acl]:
        nothing: Any = None
        wanted = AclBindingFilter(
            ResourceType.ANY,
            nothing,
            ResourcePatternType.ANY,
            f"User:{user}",
            nothing,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        return frozenset(map(_acl, self._admin.describe_acls(wanted).result(_SECONDS)))

    @staticmethod
    async def _done(future: Future[Any]) -> None:
        await asyncio.wait_for(asyncio.wrap_future(future), _SECONDS)

    @staticmethod
    async def _until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.02)


def _fields(acl: Acl) -> tuple[Any, ...]:
    return (
        _RESOURCES[acl.grant.resource],
        acl.grant.name,
        ResourcePatternType.PREFIXED if acl.grant.prefixed else ResourcePatternType.LITERAL,
        f"User:{acl.user}",
        acl.host,
        AclOperation[acl.grant.operation],
        AclPermissionType.ALLOW if acl.allows else AclPermissionType.DENY,
    )


def _acl(binding: Any) -> Acl:
    kinds: dict[Any, Any] = {number: kind for kind, number in _RESOURCES.items()}
    prefixed = binding.resource_pattern_type is ResourcePatternType.PREFIXED
    grant = Grant(kinds.get(binding.restype, "USER"), binding.name, binding.operation.name, prefixed)
    user = binding.principal.removeprefix("User:")
    return Acl(user, grant, binding.host, binding.permission_type is AclPermissionType.ALLOW)
