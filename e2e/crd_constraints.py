"""How to say what the API server must take in a place of a spec, and what it must refuse in which words.

The words are the API server's own, or the message of our CEL rule. `test_crds.py` tries every line of the modules
`*_constraints.py`, and fails when a constraint of the models has no line.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Spec = dict[str, Any]
ABSENT: Final = object()

LEAST: Final[dict[str, Spec]] = {
    "EventBus": {"kafka": {"bootstrapServers": ["kafka:9092"]}},
    "EventTopic": {},
    "Schema": {"type": "AVRO", "definition": "{}"},
    "Publication": {"topics": [{"name": "orders"}]},
    "Subscription": {"topics": [{"name": "orders"}]},
    "DeadLetterPolicy": {},
}
NAME_REFUSED: Final = {
    ABSENT: "Required value",
    "": "should be at least 1 chars long",
    "n" * 254: "may not be more than 253 bytes",
}

SOME_LABELS: Final[Spec] = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}


@dataclass(frozen=True)
class Constrained:
    """A place in a spec: values that must be taken there, and values that must be refused with these words.

    Attributes:
        path: the place below spec, or nothing for all of it; `[]` is an item of a list, `*` a value of a map.
        taken: values for it; ABSENT leaves it out.
        refused: pairs of such a value and a part of the refusal.
        given: what else the spec holds; None takes away what it would hold at the least.
    """

    kind: str
    path: str
    taken: tuple[Any, ...]
    refused: tuple[tuple[Any, str], ...]
    given: Spec = field(default_factory=dict)

    def spec(self, value: object) -> Spec:
        """Return a spec with a value in this place."""
        if not self.path:
            return {**self.given, **value} if isinstance(value, dict) else self.given
        spec = copy.deepcopy({key: each for key, each in (LEAST[self.kind] | self.given).items() if each is not None})
        *parents, last = [(name.removesuffix("[]"), name.endswith("[]")) for name in self.path.split(".")]
        node: Any = spec
        for name, is_list in parents:
            node = node.setdefault(name, [{}] if is_list else {})
            node = node[0] if is_list else node
        name, is_list = last
        if value is ABSENT:
            node.pop(name, None)
        else:
            node["any" if name == "*" else name] = [value] if is_list else value
        return spec


def bus_reference(kind: str) -> Iterator[Constrained]:
    """Take the name of a bus, and a namespace."""
    given = {"busRef": {"name": "b"}}
    yield Constrained(kind, "busRef.name", ("b", "b" * 253), tuple(NAME_REFUSED.items()), given)
    yield Constrained(
        kind,
        "busRef.namespace",
        (ABSENT, "n", "n" * 63),
        (("", "should be at least 1 chars long"), ("n" * 64, "may not be more than 63 bytes")),
        given,
    )


def enumerated(kind: str, path: str, *values: str) -> Constrained:
    """Take these values and no other."""
    words = ", ".join(f'"{value}"' for value in values)
    return Constrained(kind, path, values, (("Other", f"supported values: {words}"),))


def ranged(kind: str, path: str, least: int, most: int | None = None, given: Spec | None = None) -> Constrained:
    """Take the least and the most, and nothing beyond them."""
    below, given = (least - 1, f"should be greater than or equal to {least}"), given or {}
    if most is None:
        return Constrained(kind, path, (least,), (below,), given)
    above = (most + 1, f"should be less than or equal to {most}")
    return Constrained(kind, path, (least, most), (below, above), given)


def configured(kind: str, path: str) -> Iterator[Constrained]:
    """Take a hundred settings of 1024 bytes, and not one more."""
    full = {f"key.{number}": "1" for number in range(100)}
    yield Constrained(kind, path, ({}, full), ((full | {"one.more": "1"}, "must have at most 100 items"),))
    yield Constrained(kind, f"{path}.*", ("", "v" * 1024), (("v" * 1025, "may not be more than 1024 bytes"),))


def resources(kind: str, path: str, given: Spec) -> Iterator[Constrained]:
    """Take up to ten quantities by name."""
    many = {f"resource-{number}": "1" for number in range(11)}
    few = dict(list(many.items())[:10])
    yield Constrained(kind, path, ({}, few), ((many, "must have at most 10 items"),), given)
    yield Constrained(
        kind,
        f"{path}.*",
        ("1", "0.5", "250m", "1Gi", "100M"),
        (
            *((value, "should match") for value in ("", "-1", "1 Gi", "1g")),
            ("1" * 33, "may not be more than 32 bytes"),
        ),
        given,
    )


def label_selector(kind: str, path: str, given: Spec) -> Iterator[Constrained]:
    """Take what metav1.LabelSelector takes; `given` holds `SOME_LABELS` in its place."""
    expression, too_many = {"key": "team", "operator": "Exists"}, "must have at most 100 items"
    expressions = [expression] * 101
    yield Constrained(kind, f"{path}.matchExpressions", ([], expressions[:100]), ((expressions, too_many),), given)
    key_refused = (
        (ABSENT, "Required value"),
        ("", "should be at least 1 chars long"),
        ("k" * 318, "may not be more than 317 bytes"),
    )
    yield Constrained(kind, f"{path}.matchExpressions[].key", ("k", "k" * 317), key_refused, given)
    operator_refused = (
        (ABSENT, "Required value"),
        ("Like", 'supported values: "In", "NotIn", "Exists", "DoesNotExist"'),
    )
    yield Constrained(kind, f"{path}.matchExpressions[].operator", ("In", "NotIn"), operator_refused, given)
    some = [f"v{number}" for number in range(101)]
    yield Constrained(kind, f"{path}.matchExpressions[].values", (some[:100],), ((some, too_many),), given)
    too_long = (("v" * 64, "may not be more than 63 bytes"),)
    yield Constrained(kind, f"{path}.matchExpressions[].values[]", ("", "v" * 63), too_long, given)
    without = "values go with In and NotIn, and only with them"
    yield Constrained(
        kind,
        f"{path}.matchExpressions[]",
        (expression, {"key": "team", "operator": "DoesNotExist"}),
        (
            ({"key": "team", "operator": "In"}, without),
            ({"key": "team", "operator": "NotIn", "values": []}, without),
            (expression | {"values": ["a"]}, without),
        ),
        given,
    )
