"""Generated models take real documents, refuse wrong ones, and satisfy a strict type checker."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import fastavro
import jsonschema_rs
import pytest
from pydantic import ValidationError
from unit.cli.definitions import AVRO, JSON

from eventplane.cli.failure import CommandError
from eventplane.cli.pydantic_models import class_name, generate_models
from eventplane.planning.schema_state import Definition, Reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from commands import Ended

    Load = Callable[[Path], ModuleType]
    Eventplane = Callable[..., Ended]

ORDER: dict[str, Any] = {
    "order_id": UUID(int=1),
    "placed_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "due": date(2026, 1, 3),
    "total": Decimal("12.50"),
    "note": None,
    "status": "PAID",
    "lines": [{"sku": "tea", "count": 2}],
    "tags": {"gift": "yes"},
    "digest": b"\x00\x01\x02\xff",
    "delivery": {"shop": "Main Street"},
    "follows": None,
}


def test_what_fastavro_reads_is_what_the_model_of_the_schema_takes_and_gives(
    eventplane: Eventplane, folder: Path, load: Load
) -> None:
    module = generated(eventplane, folder, "order.avsc", load)
    written, schema = io.BytesIO(), fastavro.parse_schema(json.loads(AVRO))
    fastavro.schemaless_writer(written, schema, ORDER)
    read = fastavro.schemaless_reader(io.BytesIO(written.getvalue()), schema, None)
    order = module.OrderPlaced.model_validate(read)
    assert order.delivery == module.Pickup(shop="Main Street")
    assert order.status is module.Status.PAID
    again = io.BytesIO()
    fastavro.schemaless_writer(again, schema, order.model_dump(by_alias=True))
    assert again.getvalue() == written.getvalue()


def test_defaults_are_those_of_the_avro_schema(eventplane: Eventplane, folder: Path, load: Load) -> None:
    module = generated(eventplane, folder, "order.avsc", load)
    required = {key: value for key, value in ORDER.items() if key not in {"note", "status", "tags", "follows"}}
    order = module.OrderPlaced(**required)
    assert (order.note, order.status, order.tags, order.follows) == (None, module.Status.NEW, {}, None)
    assert module.Line(sku="tea").count == 1


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("placed_at", datetime(2026, 1, 2), "naive_or_no_zone"),  # noqa: DTZ001 - naive is the point
        ("order_id", "not a uuid", "uuid"),
        ("digest", b"\x00", "length of a fixed"),
        ("status", "LOST", "symbol of the enum"),
        ("tags", None, "a default does not make null a value"),
        ("lines", [{"count": 1}], "field of a nested record"),
        ("delivery", {"neither": 1}, "no alternative of the union"),
    ],
)
def test_a_wrong_avro_document_is_refused(
    eventplane: Eventplane, folder: Path, load: Load, field: str, value: object, why: str
) -> None:
    module = generated(eventplane, folder, "order.avsc", load)
    with pytest.raises(ValidationError) as refused:
        module.OrderPlaced(**(ORDER | {field: value}))
    assert refused.value.errors()[0]["loc"][0] == field, why


def test_what_the_model_of_a_json_schema_writes_is_valid(eventplane: Eventplane, folder: Path, load: Load) -> None:
    module = generated(eventplane, folder, "order.json", load)
    order = module.OrderPlaced(
        orderId=UUID(int=1),
        placedAt=datetime(2026, 1, 2, tzinfo=UTC),
        total=1.5,
        status=module.Status.PAID,
        lines=[module.Line(sku="tea")],
    )
    document = order.model_dump(mode="json", by_alias=True, exclude_unset=True)
    jsonschema_rs.validator_for(json.loads(JSON), validate_formats=True).validate(document)
    assert module.OrderPlaced.model_validate(document) == order


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"total": -1}, "total"),
        ({"lines": [{"sku": "tea", "colour": "red"}]}, "lines"),
        ({"placedAt": None}, "placedAt"),
    ],
)
def test_a_wrong_json_document_is_refused(
    eventplane: Eventplane, folder: Path, load: Load, change: dict[str, object], at: str
) -> None:
    module = generated(eventplane, folder, "order.json", load)
    valid = {"orderId": str(UUID(int=1)), "placedAt": "2026-01-02T00:00:00Z", "total": 1}
    module.OrderPlaced.model_validate(valid)
    with pytest.raises(ValidationError) as refused:
        module.OrderPlaced.model_validate(valid | change)
    assert refused.value.errors()[0]["loc"][0] == at


PROGRAM = """\
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from avro_order import Line, OrderPlaced, Pickup, Status
from json_order import OrderPlaced as JsonOrder

OrderPlaced(
    order_id=UUID(int=1), placed_at=datetime(2026, 1, 2, tzinfo=UTC), due=date(2026, 1, 3), total=Decimal(1),
    status=Status.PAID, lines=[Line(sku="tea")], digest=b"1234", delivery=Pickup(shop="Main Street"),
)
JsonOrder(orderId=UUID(int=1), placedAt=datetime(2026, 1, 2, tzinfo=UTC), total=1.5)
"""
WRONG = """
Line(sku=1)
Line(sku="tea", count="2")
Line(sku="tea", colour="red")
Line()
JsonOrder(orderId="1", placedAt=datetime(2026, 1, 2, tzinfo=UTC), total=1.5)
"""


def test_a_strict_type_checker_passes_right_types_and_stops_wrong_ones(eventplane: Eventplane, folder: Path) -> None:
    assert eventplane("schema", "codegen", folder / "order.avsc", "--output", folder / "avro_order.py").code == 0
    assert eventplane("schema", "codegen", folder / "order.json", "--output", folder / "json_order.py").code == 0
    (folder / "right.py").write_text(PROGRAM)
    (folder / "wrong.py").write_text(PROGRAM + WRONG)
    right = mypy(folder, "avro_order.py", "json_order.py", "right.py")
    assert right.returncode == 0, right.stdout
    wrong = mypy(folder, "wrong.py")
    lines = [line.partition(" error: ") for line in wrong.stdout.splitlines() if ": error: " in line]
    first = len(PROGRAM.splitlines()) + 2
    assert [where for where, _, _ in lines] == [f"wrong.py:{first + offset}:" for offset in range(5)], wrong.stdout


def mypy(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=.mypy", *files],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_references_of_avro_become_classes() -> None:
    street = Definition("AVRO", '{"type": "record", "name": "Street", "namespace": "a", "fields": []}')
    address = Definition(
        "AVRO",
        '{"type": "record", "name": "Address", "namespace": "a", "fields": [{"name": "street", "type": "a.Street"}]}',
        (Reference("a.Street", "street", 1, street),),
    )
    order = Definition(
        "AVRO",
        '{"type": "record", "name": "Order", "namespace": "b", "fields":'
        ' [{"name": "to", "type": "a.Address"}, {"name": "via", "type": ["null", "a.Street"], "default": null}]}',
        (Reference("a.Address", "address", 1, address), Reference("a.Street", "street", 1, street)),
    )
    module = generate_models(order, "# from a test", "order")
    assert [line for line in module.splitlines() if line.startswith("class ")] == [
        "class Street(BaseModel):",
        "class Address(BaseModel):",
        "class Order(BaseModel):",
    ]
    assert "    via: Street | None = None" in module


def test_references_of_json_become_classes() -> None:
    address = Definition("JSON", '{"title": "Address", "type": "object", "properties": {"street": {"type": "string"}}}')
    order = Definition(
        "JSON",
        '{"title": "Order", "type": "object", "required": ["to"],'
        ' "properties": {"to": {"$ref": "https://example.com/address.json"}}}',
        (Reference("https://example.com/address.json", "address", 1, address),),
    )
    module = generate_models(order, "# from a test", "order")
    assert "    to: Address\n" in module


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (Definition("AVRO", '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "a.B"}]}'), "a.B"),
        (
            Definition("JSON", '{"type": "object", "properties": {"a": {"$ref": "https://example.com/a"}}}'),
            "example.com",
        ),
        (Definition("JSON", "{"), "no models can be made"),
    ],
    ids=["unknown name", "nothing is fetched", "no JSON"],
)
def test_what_no_models_can_be_made_of_is_one_line(definition: Definition, words: str) -> None:
    with pytest.raises(CommandError, match=words) as error:
        generate_models(definition, "#", "a")
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("text", "name"),
    [("order", "Order"), ("shop.orders-value", "ShopOrdersValue"), ("OrderPlaced", "OrderPlaced"), ("2 b", "Model2B")],
)
def test_a_class_is_named_after_a_title_or_a_file(text: str, name: str) -> None:
    assert class_name(text) == name


def generated(eventplane: Eventplane, folder: Path, name: str, load: Load) -> ModuleType:
    output = folder / "generated.py"
    ended = eventplane("schema", "codegen", folder / name, "--output", output)
    assert ended == (0, f"wrote {output}\n", "")
    return load(output)
