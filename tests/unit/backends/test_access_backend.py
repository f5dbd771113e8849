"""The access of applications as one backend: the order of their changes, what a failure stops, how often is asked."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from builders import ACCESS

from eventplane.api.conditions import Reason
from eventplane.backends.access import AccessBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_principals import MemoryPrincipalBackend
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemovePassword,
    RevokeAccess,
    SetPassword,
    WriteSecret,
)
from eventplane.planning.access_state import (
    AccessQuery,
    Grant,
    ObservedPrincipal,
    PrincipalQuery,
    ScramMechanism,
    other_user,
)
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

SHA512: ScramMechanism = "SCRAM-SHA-512"
WRITE = Grant("TOPIC", "orders", "WRITE")
LOST = Unavailable("lost")


class Access(AccessBackend):
    """One in memory that remembers what was done in which order."""

    def __init__(self) -> None:
        self.kubernetes = MemoryKubernetes(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.kafka = MemoryPrincipalBackend()
        self.done: list[str] = []
        super().__init__(ACCESS, self.kafka, self.kubernetes.look_at_secret, self._write_noted)

    async def _write_noted(self, change: WriteSecret) -> None:
        known = self.kafka.principals.logs_in(change.user or "", SHA512, change.data.get("password", ""))
        self.done.append(f"{change.name}: {'known' if known else 'unknown'}")
        await self.kubernetes.write_secret(change)

    async def errors(self, *changes: AccessChange) -> list[BackendError | None]:
        outcomes = await self.apply(changes)
        assert [outcome.change for outcome in outcomes] == list(changes)
        return [outcome.error for outcome in outcomes]


@pytest.fixture
def backend() -> Access:
    return Access()


def secret(user: str | None, password: str = "p") -> WriteSecret:  # noqa: S107 - of a test
    name = (user or "open").removesuffix("_2")
    return WriteSecret(user, "shop", name, ("Publication", name, "uid"), {"password": password}, {"a": "b"})


def first_password(user: str) -> Sequence[AccessChange]:
    return secret(user), SetPassword(user, SHA512, "p", 4096), GrantAccess(user, (WRITE,))


def rotation(user: str) -> Sequence[AccessChange]:
    return SetPassword(user, SHA512, "p", 4096), GrantAccess(user, (WRITE,)), secret(user)


def retirement(user: str) -> Sequence[AccessChange]:
    return RemovePassword(user), RevokeAccess(user, (WRITE,))


async def test_changes_of_an_application_are_made_in_the_order_planned(backend: Access) -> None:
    assert await backend.errors(*first_password("web"), *rotation("shop_2"), secret(None)) == [None] * 7
    assert sorted(backend.done) == ["open: unknown", "shop: known", "web: unknown"]


@pytest.mark.parametrize(
    ("failing", "left"),
    [
        pytest.param(SetPassword, ["web_2", "web_2", "web_2"], id="the password was not set"),
        pytest.param(GrantAccess, [None, "web_2", "web_2"], id="nothing was granted"),
        pytest.param(WriteSecret, [None, None, "web_2"], id="the Secret was not written"),
    ],
)
async def test_what_comes_after_a_failure_is_not_attempted_and_others_go_on(
    backend: Access, failing: type[AccessChange], left: list[str | None]
) -> None:
    if failing is WriteSecret:
        backend.kubernetes.fail_next("secrets/web", LOST)
    else:
        backend.kafka.fail_next(lambda change: isinstance(change, failing) and change.user == "web_2", LOST)
    found = await backend.errors(*rotation("web_2"), *retirement("web"), *rotation("billing_2"))
    assert found == [None if each is None else LOST for each in left] + [LOST] * 2 + [None] * 3
    assert backend.kafka.calls["RemovePassword"] == 0, "its users are one thing with it"


async def test_a_first_password_is_not_set_where_its_secret_cannot_be_kept(backend: Access) -> None:
    refused = Rejected(Reason.INTERNAL_ERROR, "the API server answered 403: no")
    backend.kubernetes.fail_next("secrets/web", refused)
    found = await backend.errors(*first_password("web"), *first_password("billing"))
    assert [error.reason if error else None for error in found] == [Reason.SECRET_NOT_READABLE] * 3 + [None] * 3
    assert await backend.users("") == {"billing"}


async def test_no_secret_is_written_while_kafka_does_not_show_its_user(backend: Access) -> None:
    observe = backend.kafka.observe
    seen = ObservedPrincipal("web_2", 4096, frozenset({WRITE}))
    for shown, expected in (
        (ObservedPrincipal("web_2"), Unavailable),
        (ObservedPrincipal("web_2", 5000, frozenset({WRITE})), Unavailable),
        (ObservedPrincipal("web_2", 4096), Unavailable),
        (ObservedPrincipal("web_2", error=Rejected(Reason.REJECTED, "no")), Rejected),
        (seen, None),
    ):

        async def behind(keys: Sequence[PrincipalQuery], shown: ObservedPrincipal = shown) -> object:
            return {key: shown for key in keys if key.user == "web_2"} | {
                key: value for key, value in (await observe(keys)).items() if key.user != "web_2"
            }

        backend.kafka.observe = behind  # type: ignore[method-assign,assignment]
        found = await backend.errors(*rotation("web_2"), *rotation("billing_2"))
        assert [type(error) for error in found] == [type(None)] * 2 + [expected or type(None)] + [type(None)] * 3


async def test_no_secret_is_written_while_kafka_cannot_be_asked(backend: Access) -> None:
    async def away(keys: Sequence[PrincipalQuery]) -> object:
        raise Unavailable(f"{len(keys)} are not shown")

    backend.kafka.observe = away  # type: ignore[method-assign,assignment]
    found = await backend.errors(*rotation("web_2"), *first_password("billing"))
    assert [error is None for error in found] == [True, True, False, True, True, True]


async def test_a_kafka_that_answers_nothing_is_unavailable(backend: Access) -> None:
    backend.kafka.principals.available = False
    with pytest.raises(Unavailable):
        await backend.apply([*rotation("web_2"), *rotation("billing_2")])
    assert backend.done == []


async def test_many_applications_share_their_requests(backend: Access) -> None:
    many = [change for number in range(50) for change in rotation(f"app{number}_2")]
    assert await backend.errors(*many) == [None] * 150
    assert (backend.kafka.calls["apply"], backend.kafka.calls["observe"]) == (2, 1)
    queries = [AccessQuery("shop", f"app{number}", PrincipalQuery(f"app{number}", SHA512)) for number in range(50)]
    seen = await backend.observe([*queries, AccessQuery("shop", "open", None)])
    assert backend.kafka.calls["observe"] == 2
    assert {each.second for each in seen.values()} == {
        None,
        *(ObservedPrincipal(other_user(f"app{number}"), 4096, frozenset({WRITE})) for number in range(50)),
    }
    assert all(each.secret.annotations == {} for each in seen.values()), "of other groups none is read"
