"""What a cluster without an authorizer means for access, and what becomes of other errors about ACLs."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.acls import Acls
from eventplane.backends.kafka.client import KafkaClient
from eventplane.planning.access_changes import GrantAccess, RevokeAccess
from eventplane.planning.access_state import Grant
from eventplane.planning.outcome import Rejected

READ = Grant("TOPIC", "orders", "READ")
WRITE = Grant("TOPIC", "orders", "WRITE")


class Admin:
    """Takes requests about ACLs, and names what they are about."""

    def create_acls(self, acls: list[Any], **_: Any) -> dict[Any, None]:
        return dict.fromkeys(acls)

    delete_acls = create_acls

    def describe_acls(self, _: Any, **__: Any) -> None:
        return None


class Client:
    """Answers about ACLs with an error, where the user is in the list."""

    timeout_seconds = 1.0

    def __init__(self, code: int, *users: str) -> None:
        self._error = KafkaError(code, "no")
        self._users = users

    async def ask(self, _api: str, _right: str, send: Any) -> dict[Any, Any]:
        return {key: self._answer(key) for key in send(Admin())}

    def _answer(self, key: Any) -> KafkaError | None:
        if not self._users or key.principal.removeprefix("User:") in self._users:
            return self._error
        return None


def acls_where(code: int, *users: str) -> Acls:
    return Acls(cast("KafkaClient", Client(code, *users)))


async def test_without_an_authorizer_nothing_is_granted_and_there_is_nothing_to_revoke() -> None:
    disabled = acls_where(KafkaError.SECURITY_DISABLED)
    assert await disabled.describe() == {}
    assert await disabled.describe("app") == {}
    assert await disabled.revoke([RevokeAccess("app", (READ,))]) == {}
    assert await disabled.remove(["app"]) == {}
    errors = await disabled.grant([GrantAccess("app", (READ, WRITE)), GrantAccess("web", (READ,))])
    assert set(errors) == {"app", "web"}
    assert {type(error) for error in errors.values()} == {Rejected}
    assert {error.reason for error in errors.values()} == {Reason.REJECTED}
    assert all("the cluster has no authorizer" in error.message for error in errors.values())


async def test_an_error_is_its_users_alone_and_the_first_one_counts() -> None:
    refused = acls_where(KafkaError.INVALID_REQUEST, "app")
    changes = [GrantAccess("app", (READ, WRITE)), GrantAccess("web", (READ,))]
    errors = await refused.grant(changes)
    assert {user: error.reason for user, error in errors.items()} == {"app": Reason.REJECTED}
    assert "ACLs of user app" in errors["app"].message


async def test_a_missing_right_to_look_is_raised() -> None:
    with pytest.raises(Rejected) as refused:
        await acls_where(KafkaError.CLUSTER_AUTHORIZATION_FAILED).describe()
    assert refused.value.reason == Reason.AUTHORIZATION_FAILED
    assert "Describe on the cluster" in refused.value.message
