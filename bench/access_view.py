"""The bench's own look at Kafka's users and their ACLs, to tell whether what the statuses say is true."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from bench.failure import BenchError
from e2e.servers import Kafka
from eventplane.planning.access_state import Grant

Rights = frozenset[tuple[str, str]]
"""Every password and every ACL: the user, and what it is."""

_PASSWORD: Final = "password SCRAM_SHA_512"  # noqa: S105 - what it is called here
_ANSWER_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 10
_SHOWN: Final = 5
_ANYTHING: Final[Any] = None


class AccessView:
    """An admin client that only reads."""

    def __init__(self, kafka: Kafka, users: str) -> None:
        """Look at the users whose name begins with `users`."""
        self._admin = AdminClient(kafka.client_config("PLAINTEXT") | {"log_level": 0})
        self._users = users

    async def rights(self) -> Rights:
        """Return all that there is of the users."""
        passwords: Any = self._admin.describe_user_scram_credentials(request_timeout=_ANSWER_SECONDS)
        everything = AclBindingFilter(
            ResourceType.ANY,
            _ANYTHING,
            ResourcePatternType.ANY,
            _ANYTHING,
            _ANYTHING,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        acls = self._admin.describe_acls(everything, request_timeout=_ANSWER_SECONDS)
        described, bound = await asyncio.gather(asyncio.wrap_future(passwords), asyncio.wrap_future(acls))
        found = {
            (user, f"password {info.mechanism.name}")
            for user, description in described.items()
            for info in description.scram_credential_infos
        }
        found |= {(acl.principal.removeprefix("User:"), _described(acl)) for acl in bound}
        return frozenset(right for right in found if right[0].startswith(self._users))

    async def check(self, expected: Rights) -> None:
        """Check that exactly what is expected is there; brokers may need a moment to show it.

        Raises:
            BenchError: it is not.
        """
        deadline = time.perf_counter() + _PATIENCE_SECONDS
        while (found := await self.rights()) != expected:
            if time.perf_counter() > deadline:
                missing, extra = sorted(expected - found), sorted(found - expected)
                raise BenchError(
                    f"Kafka lacks {len(missing)} passwords and ACLs, as {missing[:_SHOWN]}, and has {len(extra)} too"
                    f" many, as {extra[:_SHOWN]}"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def none_left(self) -> float:
        """Wait until neither passwords nor ACLs are left; return when that was seen, `time.perf_counter`."""
        while await self.rights():  # noqa: ASYNC110 - Kafka has no watch
            await asyncio.sleep(_POLL_SECONDS)
        return time.perf_counter()


def rights_of(user: str, grants: Iterable[Grant]) -> Rights:
    """Return what there should be of a user."""
    acls = {(user, f"ALLOW {grant.operation} {grant.resource} {grant.name} LITERAL from *") for grant in grants}
    return frozenset({(user, _PASSWORD), *acls})


def _described(acl: AclBinding) -> str:
    described: Any = acl  # the constructor takes more than enumerations, and turns it into them
    what = f"{described.permission_type.name} {described.operation.name} {described.restype.name} {acl.name}"
    return f"{what} {described.resource_pattern_type.name} from {acl.host}"
