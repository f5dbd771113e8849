"""Each constraint of a Schema's spec, with values on both sides of it; for those on changes see test_crds.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from e2e.crd_constraints import ABSENT, LEAST, NAME_REFUSED, Constrained, Spec, bus_reference, enumerated, ranged

if TYPE_CHECKING:
    from collections.abc import Iterator

_KIND: Final = "Schema"
_NAMES: Final = ("n", "n" * 253)
_FROM: Final[Spec] = {"definition": None, "definitionFrom": {"configMapKeyRef": {"name": "avro", "key": "order.avsc"}}}
_NAMED: Final[Spec] = {"subjectNaming": "Topic", "topic": {"name": "orders"}}
_REFERENCES: Final[Spec] = {"references": [{"name": "shop.Address", "schemaRef": {"name": "address"}}]}
_STEP: Final[Spec] = {"from": 1, "to": 2, "up": "event.data", "down": "event.data", "samples": [{"data": {"id": "1"}}]}
_EVOLUTION: Final[Spec] = {"compatibility": "FULL", "evolution": {"onIncompatible": "NewMajor", "migrations": [_STEP]}}
_MIGRATION: Final = "evolution.migrations[]"
_EMPTY: Final = "should be at least 1 chars long"


def schema_constraints() -> Iterator[Constrained]:
    """Give them all."""
    yield from bus_reference(_KIND)
    yield Constrained(
        _KIND,
        "subject",
        (ABSENT, "orders-value", "s" * 249),
        tuple((value, "should match") for value in ("", "a b", "a/b", "s" * 250)),
    )
    yield enumerated(_KIND, "mode", "Enforce", "Plan", "Observe")
    yield enumerated(_KIND, "driftPolicy", "Enforce", "Warn", "Ignore")
    yield enumerated(_KIND, "deletionPolicy", "Retain", "Soft", "Hard")
    yield enumerated(_KIND, "adoption", "IfUnowned", "Never")
    levels = ("BACKWARD", "FORWARD", "FULL")
    yield enumerated(
        _KIND, "compatibility", *(each for level in levels for each in (level, f"{level}_TRANSITIVE")), "NONE"
    )
    yield Constrained(
        _KIND,
        "type",
        ("AVRO", "JSON", "PROTOBUF"),
        ((ABSENT, "Required value"), ("XML", 'supported values: "AVRO", "JSON", "PROTOBUF"')),
    )
    yield from _naming()
    yield from _definitions()
    yield from _references()
    yield from _migrations()


def _naming() -> Iterator[Constrained]:
    topic_goes = "topic goes with subjectNaming Topic and TopicRecord, and only with them"
    one_name = "subject names the subject and subjectNaming derives its name: keep one of them"
    yield Constrained(
        _KIND,
        "subjectNaming",
        ("Topic", "TopicRecord"),
        (("Other", 'supported values: "Topic", "Record", "TopicRecord"'),),
        _NAMED,
    )
    yield Constrained(
        _KIND,
        "",
        ({}, {"subjectNaming": "Record"}, _NAMED),
        (
            ({"subjectNaming": "Topic"}, topic_goes),
            ({"subjectNaming": "Record", "topic": {"name": "orders"}}, topic_goes),
            ({"topic": {"name": "orders"}}, topic_goes),
            ({"subject": "orders-value", "subjectNaming": "Record"}, one_name),
        ),
        LEAST[_KIND],
    )
    yield Constrained(_KIND, "topic.name", _NAMES, tuple(NAME_REFUSED.items()), _NAMED)
    yield Constrained(
        _KIND, "topic.part", (ABSENT, "Value", "Key"), (("Other", 'supported values: "Value", "Key"'),), _NAMED
    )


def _definitions() -> Iterator[Constrained]:
    one = "a schema has one definition: set definition, or definitionFrom"
    yield Constrained(
        _KIND,
        "definition",
        ("d" * 524_288,),
        (("", _EMPTY), ("d" * 524_289, "may not be more than 524288 bytes")),
    )
    source = {"definitionFrom": _FROM["definitionFrom"]}
    yield Constrained(
        _KIND,
        "",
        (source, {"definition": "{}"}),
        (({}, one), (source | {"definition": "{}"}, one)),
        {"type": "AVRO"},
    )
    place = "definitionFrom.configMapKeyRef"
    yield Constrained(_KIND, place, ({"name": "n", "key": "k"},), ((ABSENT, "Required value"),), _FROM)
    for part in ("name", "key"):
        yield Constrained(_KIND, f"{place}.{part}", _NAMES, tuple(NAME_REFUSED.items()), _FROM)


def _references() -> Iterator[Constrained]:
    many = [{"name": f"shop.Part{number}", "schemaRef": {"name": "part"}} for number in range(101)]
    yield Constrained(
        _KIND,
        "references",
        (ABSENT, [], many[:100]),
        ((many, "must have at most 100 items"), (many[:1] * 2, "Duplicate value")),
    )
    yield Constrained(
        _KIND,
        "references[].name",
        ("n", "n" * 1024),
        ((ABSENT, "Required value"), ("", _EMPTY), ("n" * 1025, "may not be more than 1024 bytes")),
        _REFERENCES,
    )
    yield Constrained(_KIND, "references[].schemaRef", ({"name": "a"},), ((ABSENT, "Required value"),), _REFERENCES)
    yield Constrained(_KIND, "references[].schemaRef.name", _NAMES, tuple(NAME_REFUSED.items()), _REFERENCES)
    yield Constrained(
        _KIND,
        "references[].schemaRef.namespace",
        (ABSENT, "n", "n" * 63),
        (("", _EMPTY), ("n" * 64, "may not be more than 63 bytes")),
        _REFERENCES,
    )
    yield Constrained(
        _KIND, "references[].version", (ABSENT, 1), ((0, "should be greater than or equal to 1"),), _REFERENCES
    )


def _migrations() -> Iterator[Constrained]:
    choices = enumerated(_KIND, "evolution.onIncompatible", "Refuse", "NewMajor")
    yield Constrained(_KIND, choices.path, choices.taken, choices.refused, _EVOLUTION)
    unsaid = "onIncompatible NewMajor needs compatibility: say what each major version is to keep"
    newer = {"evolution": {"onIncompatible": "NewMajor"}}
    yield Constrained(_KIND, "", (newer | {"compatibility": "FULL"},), ((newer, unsaid),), LEAST[_KIND])
    many = [_STEP | {"from": number, "to": number + 1} for number in range(1, 102)]
    yield Constrained(
        _KIND,
        "evolution.migrations",
        ([], many[:100]),
        ((many, "must have at most 100 items"), (many[:1] * 2, "Duplicate value")),
        _EVOLUTION,
    )
    next_one = "a migration leads to the next major version: set to to from + 1"
    yield Constrained(
        _KIND, _MIGRATION, (_STEP, _STEP | {"from": 9, "to": 10}), ((_STEP | {"to": 3}, next_one),), _EVOLUTION
    )
    required = (ABSENT, "Required value")
    for place, least, most in (("from", 1, 1000), ("to", 2, 1001)):
        bounds = ranged(_KIND, f"{_MIGRATION}.{place}", least, most)
        yield Constrained(_KIND, bounds.path, (), (required, *bounds.refused), _EVOLUTION)
    for place in ("up", "down"):
        too_long = ("e" * 8193, "may not be more than 8192 bytes")
        yield Constrained(
            _KIND, f"{_MIGRATION}.{place}", ("e", "e" * 8192), (required, ("", _EMPTY), too_long), _EVOLUTION
        )
    sample = {"data": {"any": ["thing", 1, None]}, "expected": {}}
    yield Constrained(
        _KIND,
        f"{_MIGRATION}.samples",
        ([sample], [sample] * 50),
        (required, ([], "should have at least 1 items"), ([sample] * 51, "must have at most 50 items")),
        _EVOLUTION,
    )
    yield Constrained(_KIND, f"{_MIGRATION}.samples[].data", ({}, {"a": {"b": 1}}), (required,), _EVOLUTION)
