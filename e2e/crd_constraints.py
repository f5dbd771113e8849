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
}
NAME_REFUSED: Final = {
    ABSENT: "Required value",
    "": "should be at least 1 chars long",
    "n" * 254: "may not be more than 253 bytes",
}


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


def ranged(kind: str, path: str, least: int, most: int | None = None) -> Constrained:
    """Take the least and the most, and nothing beyond them."""
    below = (least - 1, f"should be greater than or equal to {least}")
    if most is None:
        return Constrained(kind, path, (least,), (below,))
    return Constrained(kind, path, (least, most), (below, (most + 1, f"should be less than or equal to {most}")))


def configured(kind: str, path: str) -> Iterator[Constrained]:
    """Take a hundred settings of 1024 bytes, and not one more."""
    full = {f"key.{number}": "1" for number in range(100)}
    yield Constrained(kind, path, ({}, full), ((full | {"one.more": "1"}, "must have at most 100 items"),))
    yield Constrained(kind, f"{path}.*", ("", "v" * 1024), (("v" * 1025, "may not be more than 1024 bytes"),))
