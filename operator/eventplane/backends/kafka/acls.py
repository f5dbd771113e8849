"""What Kafka's users may do: ACLs, described and changed in batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not exported to type checkers
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.batches import RECORDS_PER_REQUEST, in_parts
from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.descriptions import chunks
from eventplane.backends.kafka.errors import translate
from eventplane.planning.access_changes import GrantAccess, RevokeAccess
from eventplane.planning.access_state import Grant
from eventplane.planning.outcome import BackendError, Rejected

B = TypeVar("B", AclBinding, AclBindingFilter)
Granted: TypeAlias = dict[str, frozenset[Grant]]
"""What is granted, by every user that some ACL names."""

_PRINCIPAL: Final = "User:"
_ANYWHERE: Final = "*"
_RESOURCES: Final[Mapping[str, ResourceType]] = {
    "TOPIC": ResourceType.TOPIC,
    "GROUP": ResourceType.GROUP,
    "TRANSACTIONAL_ID": ResourceType.TRANSACTIONAL_ID,
    "CLUSTER": ResourceType.BROKER,  # the protocol's number is the same, and in ACLs it means the cluster
}
"""The types of resources that librdkafka can name."""
_KINDS: Final[Mapping[ResourceType, Literal["TOPIC", "GROUP", "TRANSACTIONAL_ID", "CLUSTER"]]] = {
    ResourceType.TOPIC: "TOPIC",
    ResourceType.GROUP: "GROUP",
    ResourceType.TRANSACTIONAL_ID: "TRANSACTIONAL_ID",
    ResourceType.BROKER: "CLUSTER",
}
_COMPARISONS_PER_REQUEST: Final = 4_000_000
"""Kafka's controller compares each filter with each ACL, 2 to 3 million times a second, and does nothing else then."""
_GUESS: Final = 10_000
"""How many ACLs there may be before anybody has looked."""
_DESCRIBE: Final = "Describe on the cluster"
_ALTER: Final = "Alter on the cluster"


class Acls:
    """The ACLs of one cluster."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client
        self._count = _GUESS
        """About how many there are."""

    async def describe(self, user: str | None = None) -> Granted:
        """Describe the ACLs of one user, or of all; a cluster without an authorizer has none.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask; the right is missing.
        """
        wanted = _every_acl(user)
        answers = await self._client.ask(
            "DescribeAcls",
            _DESCRIBE,
            lambda admin: {"": admin.describe_acls(wanted, request_timeout=self._client.timeout_seconds)},
        )
        answer = answers[""]
        if isinstance(answer, KafkaError):
            if answer.code() == KafkaError.SECURITY_DISABLED:
                return {}
            raise translate(answer, "the ACLs", _DESCRIBE)
        if user is None:
            self._count = len(answer)
        return _granted(answer)

    async def grant(self, changes: Sequence[GrantAccess]) -> dict[str, BackendError]:
        """Grant access to users, and return what went wrong by user.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask.
        """
        bindings = dict.fromkeys(_acl(AclBinding, change.user, grant) for change in changes for grant in change.grants)
        self._count += len(bindings)
        answers = await in_parts(
            self._client,
            "CreateAcls",
            _ALTER,
            chunks(list(bindings), RECORDS_PER_REQUEST),
            lambda admin, part: admin.create_acls(list(part), request_timeout=self._client.timeout_seconds),
            lambda binding: binding,
        )
        return _errors(answers, _cannot_grant)

    async def revoke(self, changes: Sequence[RevokeAccess]) -> dict[str, BackendError]:
        """Revoke access of users, that and no other, and return what went wrong by user.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask.
        """
        return await self._delete(
            _acl(AclBindingFilter, change.user, grant) for change in changes for grant in change.grants
        )

    async def remove(self, users: Iterable[str]) -> dict[str, BackendError]:
        """Delete whatever ACLs there are for users, and return what went wrong by user.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask.
        """
        return await self._delete(_every_acl(user) for user in users)

    async def _delete(self, filters: Iterable[AclBindingFilter]) -> dict[str, BackendError]:
        size = min(RECORDS_PER_REQUEST, 1 + _COMPARISONS_PER_REQUEST // max(1, self._count))
        answers = await in_parts(
            self._client,
            "DeleteAcls",
            _ALTER,
            chunks(list(dict.fromkeys(filters)), size),
            lambda admin, part: admin.delete_acls(list(part), request_timeout=self._client.timeout_seconds),
            lambda wanted: wanted,
        )
        return _errors(answers, _nothing_to_delete)


def _errors(answers: Mapping[B, object], without_authorizer: Callable[[], Rejected | None]) -> dict[str, BackendError]:
    errors: dict[str, BackendError] = {}
    for acl, answer in answers.items():
        error = answer if isinstance(answer, BackendError) else None
        user = acl.principal.removeprefix(_PRINCIPAL)
        if isinstance(answer, KafkaError):
            disabled = answer.code() == KafkaError.SECURITY_DISABLED
            error = without_authorizer() if disabled else translate(answer, f"ACLs of user {user}", _ALTER)
        if error is not None:
            errors.setdefault(user, error)
    return errors


def _cannot_grant() -> Rejected:
    return Rejected(
        Reason.REJECTED,
        "the cluster has no authorizer, so everybody may do everything: set authorizer.class.name on its brokers",
    )


def _nothing_to_delete() -> None:
    return None


def _acl(make: type[B], user: str, grant: Grant) -> B:
    return make(
        _RESOURCES[grant.resource],
        grant.name,
        ResourcePatternType.PREFIXED if grant.prefixed else ResourcePatternType.LITERAL,
        f"{_PRINCIPAL}{user}",
        _ANYWHERE,
        AclOperation[grant.operation],
        AclPermissionType.ALLOW,
    )


def _every_acl(user: str | None) -> AclBindingFilter:
    anything: Any = None  # the constructor's types are those of an ACL, which has a name and a host
    principal = anything if user is None else f"{_PRINCIPAL}{user}"
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        principal,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _granted(acls: Iterable[AclBinding]) -> Granted:
    found: dict[str, set[Grant]] = {}
    for acl in acls:
        if acl.principal.startswith(_PRINCIPAL):
            found.setdefault(acl.principal.removeprefix(_PRINCIPAL), set()).update(_grants(acl))
    return {user: frozenset(grants) for user, grants in found.items()}


def _grants(acl: AclBinding) -> Iterator[Grant]:
    """Read an ACL as a grant; one that denies, or that is for some hosts only, is none."""
    # the constructor takes more than these, and turns it into them
    resource, operation = cast("ResourceType", acl.restype), cast("AclOperation", acl.operation)
    kind, known = _KINDS.get(resource), operation is not AclOperation.UNKNOWN
    if kind is not None and known and acl.host == _ANYWHERE and acl.permission_type is AclPermissionType.ALLOW:
        yield Grant(kind, acl.name, operation.name, acl.resource_pattern_type is ResourcePatternType.PREFIXED)
