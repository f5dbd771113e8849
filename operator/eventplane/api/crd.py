"""Models to CustomResourceDefinitions: pydantic's JSON Schema made structural, as Kubernetes wants it.

Source: kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions", section "Specifying a structural
schema". Constructs that have no structural form (real unions) fail here, loudly, and not at the API server.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Protocol

from eventplane.api import GROUP, VERSION
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.publication import Publication
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription

CATEGORY: Final = "eventplane"  # not "events": that would take `kubectl get events` away from everybody
# what apiextensions knows of JSON Schema and what we use of it; the rest is dropped or translated below
_KEPT: Final = frozenset(
    {
        "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
        "minProperties", "maxProperties", "required", "default", "description", "nullable",
        "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
        "x-kubernetes-preserve-unknown-fields",
    }
)  # fmt: skip
_TRANSLATED: Final = frozenset({"const", "properties", "items", "additionalProperties", "x-list-map-keys"})
_DROPPED: Final = frozenset({"title", "propertyNames"})


class Kind(Protocol):
    """A custom resource model: its names and the columns that kubectl prints."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]]
    printer_columns: ClassVar[tuple[Mapping[str, Any], ...]]

    @classmethod
    def model_json_schema(cls, *, by_alias: bool) -> dict[str, Any]:
        """Return the model's JSON Schema."""
        ...


KINDS: Final[tuple[type[Kind], ...]] = (EventBus, EventTopic, Schema, Publication, Subscription, DeadLetterPolicy)


class NotStructural(ValueError):  # noqa: N818 - names the fact
    """A model uses something that a structural schema cannot say."""


def crd(kind: type[Kind]) -> dict[str, Any]:
    """Make the CustomResourceDefinition of a kind.

    Raises:
        NotStructural: the model holds a union or a keyword that a structural schema cannot express.
    """
    schema = _resource_schema(kind)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [dict(column) for column in kind.printer_columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _resource_schema(kind: type[Kind]) -> dict[str, Any]:
    source = kind.model_json_schema(by_alias=True)
    definitions = source.get("$defs", {})
    properties = {name: _structural(source["properties"][name], definitions) for name in ("spec", "status")}
    properties["status"].pop("default", None)  # status is the operator's, never the API server's
    schema = {
        "type": "object",
        "description": source["description"],
        "required": ["spec"],
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        | properties,
    }
    if "x-kubernetes-validations" in source:
        schema["x-kubernetes-validations"] = source["x-kubernetes-validations"]
    return schema


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Translate one schema node; $ref is inlined, what is optional becomes absent, a null in a map becomes nullable."""
    node = _resolve(node, definitions)
    unknown = set(node) - _KEPT - _DROPPED - _TRANSLATED
    if unknown or "type" not in node:
        raise NotStructural(f"no structural form for {sorted(unknown) or 'a node without type'} in {node}")
    out = {key: value for key, value in node.items() if key in _KEPT}
    if "const" in node:
        out["enum"] = [node["const"]]
    if "x-list-map-keys" in node:
        out |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": node["x-list-map-keys"]}
    if "properties" in node:
        out["properties"] = {name: _structural(value, definitions) for name, value in node["properties"].items()}
    if "items" in node:
        out["items"] = _structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _map_value(node["additionalProperties"], definitions)
    return _with_documented_default(out)


def _resolve(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow $ref and take the only alternative to null; keywords beside them win over those behind them."""
    node = dict(node)
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            target = definitions[node.pop("$ref").rsplit("/", 1)[1]]
        else:
            alternatives = [each for each in node.pop("anyOf") if each != {"type": "null"}]
            if len(alternatives) != 1:
                raise NotStructural(f"a union of {len(alternatives)} types in {node}")
            target = alternatives[0]
        node = {**target, **node}
    return node


def _map_value(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    nullable = any(each == {"type": "null"} for each in node.get("anyOf", ()))
    value = _structural(node, definitions)
    return value | {"nullable": True} if nullable else value


def _with_documented_default(node: dict[str, Any]) -> dict[str, Any]:
    """Say a scalar default in the description, since `kubectl explain` shows no other trace of it; drop the others.

    The models fill in what is empty, so that objects stay as their users wrote them.
    """
    default = node.pop("default", None)
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if isinstance(default, str | int) and default != "":
        node["default"] = default
        if "description" in node:
            node["description"] += f" Default: {default}."
    return node
