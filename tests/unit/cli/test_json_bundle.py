"""Every row of the table by which a `$ref` is led into the bundle."""

import json

import pytest

from eventplane.cli.json_bundle import bundle
from eventplane.planning.schema_state import Definition, Reference

URL = "https://example.com/address.json"
ADDRESS = Definition(
    "JSON", '{"$id": "https://example.com/address.json", "$defs": {"A": {"$ref": "#/$defs/B"}}, "x": "#"}'
)
NAMELESS = Definition("JSON", '{"properties": {"self": {"$ref": "#"}}}')
REFERENCES = (Reference(URL, "address", 1, ADDRESS), Reference("of/nodes", "n", 1, NAMELESS), Reference("gone", "g", 1))


@pytest.mark.parametrize(
    ("target", "led", "why"),
    [
        ("#/$defs/Own", "#/$defs/Own", "in the document itself"),
        ("#", "#", "the document itself"),
        (URL, "#/$defs/address", "the name of a reference"),
        (f"{URL}#/$defs/A", "#/$defs/address/$defs/A", "a place in it"),
        (f"{URL}#", "#/$defs/address", "the same as without a fragment"),
        ("of/nodes", "#/$defs/nodes", "a name that is a path"),
        ("gone", "gone", "a reference whose text is not known"),
        ("https://elsewhere.com/a", "https://elsewhere.com/a", "anything else"),
    ],
)
def test_a_ref_of_the_document_leads(target: str, led: str, why: str) -> None:
    text = json.dumps({"$defs": {"Own": {}}, "anyOf": [{"$ref": target}]})
    document = bundle(Definition("JSON", text, REFERENCES))
    assert document["anyOf"] == [{"$ref": led}], why
    assert set(document["$defs"]) == {"Own", "address", "nodes"}


def test_refs_of_a_referenced_document_lead_into_it() -> None:
    document = bundle(Definition("JSON", "{}", REFERENCES))
    assert document["$defs"]["address"] == {"$defs": {"A": {"$ref": "#/$defs/address/$defs/B"}}, "x": "#"}
    assert document["$defs"]["nodes"] == {"properties": {"self": {"$ref": "#/$defs/nodes"}}}


def test_a_document_without_references_stays_as_it_is() -> None:
    assert bundle(Definition("JSON", '{"$id": "a", "$ref": "#"}')) == {"$id": "a", "$ref": "#"}
    assert bundle(Definition("JSON", "true")) == {}


def test_one_name_with_two_texts_is_refused() -> None:
    other = Definition("JSON", "{}", (Reference(URL, "address", 2, NAMELESS),))
    twice = Definition("JSON", "{}", (*REFERENCES, Reference("other", "other", 1, other)))
    with pytest.raises(ValueError, match=f"two versions of {URL}"):
        bundle(twice)
