"""Generated message classes carry what is put into them, and have stubs that stop wrong types."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from unit.cli.definitions import ADDRESS, PROTOBUF

from eventplane.cli.failure import CommandError
from eventplane.cli.protobuf_classes import generate_classes, imports_beside, imports_of
from eventplane.planning.schema_state import Definition, Reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from commands import Ended

    Eventplane = Callable[..., Ended]

ROUND_TRIP = """\
import json
from order_pb2 import STATUS_PAID, OrderPlaced
from place.address_pb2 import Address

lines = [OrderPlaced.Line(sku="tea", count=2)]
order = OrderPlaced(order_id="1", lines=lines, tags={"gift": "yes"}, status=STATUS_PAID)
order.placed_at.FromJsonString("2026-01-02T03:04:05Z")
order.post.CopyFrom(Address(street="Main Street"))
read = OrderPlaced.FromString(order.SerializeToString())
assert read == order
seen = [read.lines[0].sku, read.tags["gift"], read.status, read.placed_at.seconds, read.WhichOneof("delivery")]
print(json.dumps(seen))
"""


def test_classes_of_a_file_and_of_what_it_imports_round_trip(eventplane: Eventplane, folder: Path) -> None:
    """In a process of its own: protobuf keeps one pool of types, which no test may fill for the others."""
    ended = eventplane("schema", "codegen", folder / "order.proto", "--output", folder / "out" / "order_pb2.py")
    out = folder / "out"
    names = ["order_pb2.py", "order_pb2.pyi", "place/address_pb2.py", "place/address_pb2.pyi"]
    assert ended == (0, "".join(f"wrote {out / name}\n" for name in names), "")
    (out / "program.py").write_text(ROUND_TRIP)
    ran = subprocess.run([sys.executable, "program.py"], check=False, capture_output=True, text=True, cwd=out)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["tea", "yes", 1, 1767323045, "post"]


def test_stubs_stop_a_wrong_type(eventplane: Eventplane, folder: Path) -> None:
    assert eventplane("schema", "codegen", folder / "order.proto", "--output", folder / "order_pb2.py").code == 0
    (folder / "program.py").write_text(
        "from order_pb2 import OrderPlaced\n"
        'OrderPlaced(order_id="1")\nOrderPlaced(order_id=1)\nOrderPlaced(colour="red")\n'
    )
    # Without the stubs of protobuf itself, types-protobuf, --strict stops at the generated file.
    command = [sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports", "--cache-dir=.mypy"]
    ran = subprocess.run([*command, "program.py"], check=False, capture_output=True, text=True, cwd=folder)
    where = [line.partition(" error: ")[0] for line in ran.stdout.splitlines() if " error: " in line]
    assert where == ["program.py:3:", "program.py:4:"], ran.stdout


def test_the_first_line_says_where_it_comes_from_and_nothing_depends_on_when() -> None:
    definition = Definition("PROTOBUF", 'syntax = "proto3"; message A { string b = 1; }')
    texts = generate_classes(definition, {}, "# from a test", "a")
    assert sorted(texts) == ["a_pb2.py", "a_pb2.pyi"]
    assert {text.splitlines()[0] for text in texts.values()} == {"# from a test"}
    assert texts == generate_classes(definition, {}, "# from a test", "a")


def test_imports_are_found_beside_a_file(folder: Path) -> None:
    assert imports_beside(folder, PROTOBUF) == {"place/address.proto": ADDRESS}
    assert imports_beside(folder / "place", 'import "../order.proto";') == {}


def test_imports_of_a_registered_version_are_found_through_its_references() -> None:
    inner = Definition("PROTOBUF", "inner")
    middle = Definition("PROTOBUF", "middle", (Reference("inner.proto", "inner", 1, inner),))
    outer = Definition(
        "PROTOBUF", "outer", (Reference("middle.proto", "m", 1, middle), Reference("gone.proto", "g", 1))
    )
    assert imports_of(outer) == {"middle.proto": "middle", "inner.proto": "inner"}


@pytest.mark.parametrize(
    ("text", "imports", "words"),
    [
        ('syntax = "proto3"; message A { Nothing b = 1; }', {}, '"Nothing" is not defined'),
        ('syntax = "proto3"; import "b.proto";', {}, "b.proto"),
        ('syntax = "proto3";', {"../../b.proto": ""}, "leads out of its folder"),
        ('syntax = "proto3";', {"/b.proto": ""}, "leads out of its folder"),
    ],
)
def test_what_no_classes_can_be_made_of_is_one_line(text: str, imports: dict[str, str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as error:
        generate_classes(Definition("PROTOBUF", text), imports, "#", "a")
    assert "\n" not in error.value.message


@pytest.mark.parametrize("name", ["order.py", "order-placed_pb2.py", "_pb2.py"])
def test_an_output_that_protoc_cannot_name_is_refused(eventplane: Eventplane, folder: Path, name: str) -> None:
    ended = eventplane("schema", "codegen", folder / "order.proto", "--output", folder / name)
    assert (ended.code, ended.out) == (2, "")
    assert "protoc names its modules <name>_pb2.py" in ended.err
