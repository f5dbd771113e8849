"""Models to CRDs: what is structural, what is said to users, and what fails loudly."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from eventplane.api.crd import KINDS, Kind, NotStructural, crd
from eventplane.api.metadata import Metadata
from eventplane.api.model import ApiModel, rules

CRDS = {kind.kind: crd(kind) for kind in KINDS}


def schema_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk a schema: every node with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from nodes(schema[name], f"{path}.{name}")


class Nothing(ApiModel):
    """Nothing to say."""


class Toy(ApiModel):
    """A kind to try things on; tests give it a spec."""

    kind: ClassVar[str] = "Toy"
    plural: ClassVar[str] = "toys"
    short_names: ClassVar[tuple[str, ...]] = ("t",)
    printer_columns: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    metadata: Metadata
    status: Nothing = Nothing()


def spec_of(kind: type[Kind]) -> dict[str, Any]:
    spec: dict[str, Any] = schema_of(crd(kind))["properties"]["spec"]
    return spec


@pytest.mark.parametrize("manifest", CRDS.values(), ids=CRDS)
def test_names_and_subresource(manifest: Mapping[str, Any]) -> None:
    names, (version,) = manifest["spec"]["names"], manifest["spec"]["versions"]
    assert manifest["metadata"]["name"] == f"{names['plural']}.events.sindhan.ai"
    assert names["categories"] == ["eventplane"]
    assert names["shortNames"]
    assert names["listKind"] == f"{names['kind']}List"
    assert version["subresources"] == {"status": {}}
    assert [column["name"] for column in version["additionalPrinterColumns"]][-1] == "Age"
    assert "Ready" in [column["name"] for column in version["additionalPrinterColumns"]]


@pytest.mark.parametrize("manifest", CRDS.values(), ids=CRDS)
def test_every_node_is_structural_and_described(manifest: Mapping[str, Any]) -> None:
    for path, node in nodes(schema_of(manifest)):
        assert "type" in node, path
        assert not {"$ref", "anyOf", "allOf", "oneOf", "const", "title", "$defs"} & node.keys(), path
        assert not (node["type"] != "object" and "properties" in node), path
        is_field = not path.endswith((".items", ".additionalProperties", ".apiVersion", ".kind", ".metadata", ""))
        described = node.get("description", "")
        if is_field and path.count(".") <= 3:
            assert described, f"kubectl explain has nothing to say about {path}"
        assert "\n" not in described, path


@pytest.mark.parametrize("manifest", CRDS.values(), ids=CRDS)
def test_printer_columns_show_what_the_schema_has(manifest: Mapping[str, Any]) -> None:
    known = {path for path, _ in nodes(schema_of(manifest))}
    for column in manifest["spec"]["versions"][0]["additionalPrinterColumns"]:
        path = column["jsonPath"].split("[")[0]
        assert path in known or path == ".metadata.creationTimestamp", path


def test_defaults_are_shown_to_kubectl_explain() -> None:
    policy = spec_of_kind("EventTopic")["properties"]["deletionPolicy"]
    assert policy["default"] == "Retain"
    assert policy["description"].endswith("Default: Retain.")


def test_defaults_that_are_objects_are_left_to_the_models() -> None:
    """The API server would write them into every object, and a change of them would reach nobody."""
    bus = spec_of_kind("EventBus")["properties"]
    assert "default" not in bus["naming"]
    assert "default" not in bus["defaults"]


def test_null_in_config_is_kept_by_the_api_server() -> None:
    assert spec_of_kind("EventTopic")["properties"]["config"]["additionalProperties"]["nullable"] is True
    assert "nullable" not in spec_of_kind("EventBus")["properties"]["defaults"]["properties"]["config"]


def test_conditions_are_a_map_by_type() -> None:
    conditions = schema_of(CRDS["EventTopic"])["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_status_has_no_default_and_spec_is_required() -> None:
    schema = schema_of(CRDS["EventTopic"])
    assert schema["required"] == ["spec"]
    assert "default" not in schema["properties"]["status"]


def test_rules_reach_the_object_they_are_about() -> None:
    spec_rules = [rule["message"] for rule in spec_of_kind("EventTopic")["x-kubernetes-validations"]]
    assert "topicName is immutable: create another EventTopic and move over" in spec_rules
    (shrink,) = schema_of(CRDS["EventTopic"])["x-kubernetes-validations"]
    assert shrink["message"].startswith("Kafka cannot take partitions away")


@pytest.mark.parametrize("manifest", CRDS.values(), ids=CRDS)
def test_rules_say_what_to_do(manifest: Mapping[str, Any]) -> None:
    said = [
        rule["message"] for _, node in nodes(schema_of(manifest)) for rule in node.get("x-kubernetes-validations", ())
    ]
    assert said
    assert all(len(message.split()) > 3 for message in said)


def spec_of_kind(kind: str) -> dict[str, Any]:
    spec: dict[str, Any] = schema_of(CRDS[kind])["properties"]["spec"]
    return spec


def test_const_becomes_enum() -> None:
    class Spec(ApiModel):
        """One word only."""

        word: Literal["only"] = "only"
        """The word."""

    class OneWord(Toy):
        """A kind of one word."""

        spec: Spec

    assert spec_of(OneWord)["properties"]["word"] == {
        "type": "string",
        "enum": ["only"],
        "default": "only",
        "description": "The word. Default: only.",
    }


def test_default_without_description() -> None:
    class Spec(ApiModel):
        """Undocumented."""

        many: tuple[Annotated[int, Field()], ...] = (3,)
        count: int = 3

    class Terse(Toy):
        """A terse kind."""

        spec: Spec

    assert spec_of(Terse)["properties"]["count"] == {"type": "integer", "default": 3}


def test_false_and_zero_are_defaults_too() -> None:
    class Spec(ApiModel):
        """Falsy."""

        on: bool = False
        """Whether."""
        count: int = 0
        """How many."""
        text: str = ""
        """What."""

    class Falsy(Toy):
        """A falsy kind."""

        spec: Spec

    properties = spec_of(Falsy)["properties"]
    assert properties["on"]["default"] is False
    assert properties["count"]["default"] == 0
    assert "default" not in properties["text"]


def test_kind_without_rules_has_none() -> None:
    class Plain(Toy):
        """A plain kind."""

        spec: Nothing

    assert "x-kubernetes-validations" not in schema_of(crd(Plain))


def test_rules_are_inherited_by_reference() -> None:
    class Inner(ApiModel):
        """With a rule."""

        model_config = rules(("self.a > 0", "a must be positive: raise it"))
        a: int
        """A number."""

    class Spec(ApiModel):
        """Holds it."""

        inner: Inner | None = None
        """The inner one, where it stands."""

    class Nested(Toy):
        """A nested kind."""

        spec: Spec

    inner = spec_of(Nested)["properties"]["inner"]
    assert inner["x-kubernetes-validations"] == [{"rule": "self.a > 0", "message": "a must be positive: raise it"}]
    assert inner["description"] == "The inner one, where it stands."


def union() -> type[Kind]:
    class Spec(ApiModel):
        """A union."""

        value: int | str = 1

    class Union(Toy):
        """A kind with a union."""

        spec: Spec

    return Union


def anything() -> type[Kind]:
    class Spec(ApiModel):
        """Anything."""

        value: Any = None

    class Anything(Toy):
        """A kind of anything."""

        spec: Spec

    return Anything


def unknown_keyword() -> type[Kind]:
    class Spec(ApiModel):
        """Multiples."""

        value: int = Field(default=2, multiple_of=2)

    class Multiple(Toy):
        """A kind with a keyword that nobody translated."""

        spec: Spec

    return Multiple


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(union, "a union of 2 types", id="real union"),
        pytest.param(anything, "a node without type", id="no type"),
        pytest.param(unknown_keyword, "multipleOf", id="a keyword that would be lost"),
    ],
)
def test_what_has_no_structural_form_fails_loudly(make: Any, said: str) -> None:
    with pytest.raises(NotStructural, match=said):
        crd(make())
