"""A JSON Schema and everything it refers to, made one document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urldefrag

from eventplane.planning.schema_state import Definition


def bundle(definition: Definition) -> dict[str, Any]:
    """Put the documents of all references under `$defs`, and lead every `$ref` there.

    | `$ref`                                | leads to                          |
    |---------------------------------------|-----------------------------------|
    | `#...` in the document itself         | where it did                      |
    | `#` or `#/...` in a referenced one    | the same place under its `$defs`  |
    | the name of a reference               | the document under `$defs`        |
    | the same with `#/...`                 | that place in it                  |
    | anything else                         | where it did                      |

    Raises:
        ValueError: a document is no JSON, or two of its references have one name and different texts.
    """
    texts: dict[str, str] = {}
    for name, text in _referenced(definition):
        if texts.setdefault(name, text) != text:
            raise ValueError(f"two versions of {name} are imported: let every definition import the same one")
    root = json.loads(definition.text)
    if not texts or not isinstance(root, dict):
        return root if isinstance(root, dict) else {}
    places = {name: f"#/$defs/{_key(name)}" for name in texts}
    document: dict[str, Any] = _led(root, places, "#")
    imported = {_key(name): _led(json.loads(text), places, places[name]) for name, text in texts.items()}
    return document | {"$defs": {**document.get("$defs", {}), **imported}}


def _referenced(definition: Definition) -> Iterator[tuple[str, str]]:
    for reference in definition.references:
        if reference.definition is not None:
            yield reference.name, reference.definition.text
            yield from _referenced(reference.definition)


def _key(name: str) -> str:
    """Name a place under `$defs`: what follows the last slash, without what a JSON pointer would have to escape."""
    stem = name.rstrip("/").rsplit("/", 1)[-1].removesuffix(".json")
    return "".join(letter if letter.isalnum() else "_" for letter in stem) or "_"


def _led(node: Any, places: Mapping[str, str], own: str) -> Any:
    if isinstance(node, list):
        return [_led(each, places, own) for each in node]
    if not isinstance(node, dict):
        return node
    led = {key: _led(value, places, own) for key, value in node.items() if key != "$id" or own == "#"}
    if isinstance(target := node.get("$ref"), str):
        name, fragment = urldefrag(target)
        place = own if not name else places.get(name)
        led["$ref"] = target if place is None else f"{place}{fragment}" if fragment else place
    return led
