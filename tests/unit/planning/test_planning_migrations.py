"""Whether a migration holds: its samples between two definitions, imports included."""

import json
from typing import Any

import pytest
from builders import avro

from eventplane.api.schema import Migration
from eventplane.planning.migrations import problems_of
from eventplane.planning.schema_state import Definition, Reference

OLD, NEW = Definition("AVRO", avro("id")), Definition("AVRO", avro("id", "currency"))
UP, DOWN = '{"id": event.data.id, "currency": "EUR"}', '{"id": event.data.id}'


def migration(up: str = UP, down: str = DOWN, *samples: dict[str, Any]) -> Migration:
    fields = {"from": 1, "to": 2, "up": up, "down": down, "samples": samples or ({"data": {"id": "1"}},)}
    return Migration.model_validate(fields)


def test_one_that_holds_has_no_problems() -> None:
    assert problems_of(migration(), OLD, NEW) == ()
    expected = {"data": {"id": "1"}, "expected": {"id": "1", "currency": "EUR"}}
    assert problems_of(migration(UP, DOWN, expected), OLD, NEW) == ()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (migration(up="{"), "migration 1 to 2, up: line 1, column"),
        (migration(up=DOWN), "sample 1 of migration 1 to 2, up: the result is not valid in major version 2"),
        (migration(down=UP.replace("EUR", "USD").replace('"id"', '"no"')), "migration 2 to 1, down: the result is not"),
        (migration(UP, DOWN, {"data": {"name": "1"}}), "it is not valid in major version 1"),
        (migration(UP, DOWN, {"data": {"id": "1"}, "expected": {"id": "2"}}), "expected is {'id': '2'}"),
    ],
)
def test_one_that_does_not_says_where(broken: Migration, words: str) -> None:
    (problem,) = problems_of(broken, OLD, NEW)
    assert words in problem


def test_imports_count() -> None:
    address = Definition("AVRO", avro("city", name="Address"))
    field = {"name": "to", "type": "shop.Address"}
    text = json.dumps(json.loads(avro("id")) | {"fields": [{"name": "id", "type": "string"}, field]})
    imported = Definition("AVRO", text, (Reference("shop.Address", "address", 1, address),))
    up = '{"id": event.data.id, "to": {"city": "Bern"}}'
    assert problems_of(migration(up), OLD, imported) == ()
    unknown = Definition("AVRO", text, (Reference("shop.Address", "address", 1),))
    (problem,) = problems_of(migration(up), OLD, unknown)
    assert problem.startswith("migration 1 to 2: ")
