"""What the registry in memory can do that a real one cannot: fail on request."""

from __future__ import annotations

import pytest

from eventplane.api.conditions import Reason
from eventplane.backends.memory_schemas import MemoryRegistry, MemorySchemaBackend
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.schema_changes import AlterLevel, RegisterVersion
from eventplane.planning.schema_state import Definition, SubjectQuery

ORDERS = Definition("AVRO", '{"type": "record", "name": "Order", "fields": []}')
REGISTER = RegisterVersion("orders", ORDERS, "fingerprint")
QUERY = SubjectQuery("orders")
LOST = Unavailable("lost", Reason.REGISTRY_UNAVAILABLE)


async def test_an_unavailable_registry_answers_nobody() -> None:
    registry = MemoryRegistry()
    one, other = MemorySchemaBackend(registry), MemorySchemaBackend(registry)
    registry.available = False
    for call in (one.probe(), one.observe([QUERY]), other.apply([REGISTER])):
        with pytest.raises(Unavailable) as raised:
            await call
        assert raised.value.reason == Reason.REGISTRY_UNAVAILABLE
    registry.available = True
    assert (await other.probe()).default_level == "BACKWARD"
    assert (one.calls["probe"], one.calls["observe"], other.calls["apply"]) == (1, 1, 1)


@pytest.mark.parametrize("applied", [False, True])
async def test_the_next_change_that_matches_fails_once(*, applied: bool) -> None:
    backend = MemorySchemaBackend()
    backend.fail_next(RegisterVersion, LOST, applied=applied)
    outcomes = await backend.apply([AlterLevel("customers", None, "FULL"), REGISTER])
    assert [outcome.error for outcome in outcomes] == [None, LOST]
    assert bool((await backend.observe([QUERY]))[QUERY].versions) == applied
    (again,) = await backend.apply([REGISTER])
    assert again.error is None


async def test_a_failure_may_be_planted_by_a_predicate() -> None:
    backend = MemorySchemaBackend()
    refused = Rejected(Reason.REJECTED, "no")
    backend.fail_next(lambda change: change.subject == "orders", refused)
    outcomes = await backend.apply([RegisterVersion("customers", ORDERS, "fingerprint"), REGISTER])
    assert [outcome.error for outcome in outcomes] == [None, refused]


async def test_an_author_that_a_foreigner_left_shows() -> None:
    backend = MemorySchemaBackend(MemoryRegistry(compare=lambda _reader, _writer: ()))
    backend.registry.register("orders", ORDERS, author="team-a")
    assert (await backend.observe([QUERY]))[QUERY].versions[0].author == "team-a"
