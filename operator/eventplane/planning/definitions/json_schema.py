"""JSON Schema definitions: parsed, checked against their metaschema, with each $ref followed to what it names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

import jsonschema_rs

from eventplane.planning.definitions.fault import MAX_NESTING, DefinitionFault
from eventplane.planning.definitions.json_text import parse_json
from eventplane.planning.schema_state import Definition

_DEFAULT_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data: a $ref in there refers to nothing."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A schema with the documents that it can refer to."""

    root: Any
    base: str = ""
    """The URI of the root, which relative references are resolved against."""
    documents: Mapping[str, Any] = field(default_factory=dict)
    """By URI without fragment, and by the name that a reference gives them; the root and what has an $id are among
    them."""

    def find(self, reference: str, base: str) -> tuple[Any, str] | None:
        """Return the schema that a $ref names, and the base of what that refers to; None where nothing has the name."""
        uri, fragment = urldefrag(urljoin(base, reference))
        for name in (uri, urldefrag(reference).url):
            if name in self.documents:
                found = _follow(self.documents[name], unquote(fragment))
                return None if found is _NOTHING else (found, uri)
        return None


def parse_json_schema(definition: Definition) -> JsonSchema:
    """Parse a definition and what it refers to.

    Raises:
        DefinitionFault: it is no JSON, or no object or boolean.
    """
    root = _root(definition.text)
    documents: dict[str, Any] = {}
    _load(definition, documents, set(), 0)
    base = str(root.get("$id", "")) if isinstance(root, dict) else ""
    base = urldefrag(base).url
    return JsonSchema(root, base, {**documents, **_identified(root, base), base: root})


def check_json_schema(definition: Definition) -> None:
    """Validate a definition against its metaschema, draft 2020-12 where it names none, and look up what it refers to.

    Raises:
        DefinitionFault: it is no valid schema, or refers to what no reference provides.
    """
    schema = parse_json_schema(definition)
    _check_dialect(schema.root)
    for path, reference, base in _references(schema.root, schema.base, ""):
        if not _known_elsewhere(reference) and schema.find(reference, base) is None:
            raise DefinitionFault(
                f"at {path or '#'}: {reference} is defined neither here nor by a reference: add it to references, under"
                " the name by which it is called here"
            )


def json_title(root: Any) -> str | None:
    """Return the title; None where there is none."""
    title = root.get("title") if isinstance(root, dict) else None
    return title if isinstance(title, str) and title else None


def _root(text: str) -> Any:
    root = parse_json(text)
    if not isinstance(root, dict | bool):
        raise DefinitionFault("a JSON Schema is an object, or true or false")
    return root


def _load(definition: Definition, documents: dict[str, Any], loaded: set[int], depth: int) -> None:
    if depth > MAX_NESTING:
        raise DefinitionFault(f"references lead further than {MAX_NESTING} definitions: shorten the chain")
    for reference in definition.references:
        imported = reference.definition
        if imported is None:
            continue
        try:
            root = _root(imported.text)
            if id(imported) not in loaded:
                loaded.add(id(imported))
                _load(imported, documents, loaded, depth + 1)
        except DefinitionFault as fault:
            raise DefinitionFault(f"reference {reference.name}: {fault}") from fault
        base = urldefrag(str(root.get("$id", reference.name)) if isinstance(root, dict) else reference.name).url
        documents |= {**_identified(root, base), base: root, urldefrag(reference.name).url: root}


def _check_dialect(root: Any) -> None:
    dialect = root.get("$schema", _DEFAULT_DIALECT) if isinstance(root, dict) else _DEFAULT_DIALECT
    try:
        jsonschema_rs.meta.validate({**root, "$schema": dialect} if isinstance(root, dict) else root)
    except jsonschema_rs.ValidationError as error:
        path = "/".join(str(part) for part in error.instance_path)
        raise DefinitionFault(f"at #/{path}: {_short(error.message)}") from error
    except jsonschema_rs.ReferencingError as error:
        raise DefinitionFault(
            f"at #/$schema: {_short(str(dialect))} is no draft of JSON Schema that is known: use {_DEFAULT_DIALECT}"
        ) from error


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."  # noqa: PLR2004 - as much as fits a message


def _identified(schema: Any, base: str) -> dict[str, Any]:
    """Find the schemas within a document that have URIs of their own, and anchors."""
    found: dict[str, Any] = {}
    for _, each, where in _schemas(schema, base, ""):
        if isinstance(each.get("$id"), str):
            found[where] = each
        if isinstance(each.get("$anchor"), str):
            found[f"{where}#{each['$anchor']}"] = each
    return found


def _references(schema: Any, base: str, path: str) -> Iterator[tuple[str, str, str]]:
    for where, each, inner in _schemas(schema, base, path):
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(each.get(keyword), str):
                yield where, each[keyword], inner


def _schemas(schema: Any, base: str, path: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Walk all objects that may be schemas, with their paths and bases. JSON's nesting is bounded by its parser."""
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _schemas(each, base, f"{path}/{number}")
    if isinstance(schema, dict):
        identity = schema.get("$id")
        inner = urldefrag(urljoin(base, identity)).url if isinstance(identity, str) else base
        yield path and f"#{path}", schema, inner
        for key, each in schema.items():
            if key not in _DATA:
                yield from _schemas(each, inner, f"{path}/{key}")


def _known_elsewhere(reference: str) -> bool:
    return reference.startswith(("https://json-schema.org/", "http://json-schema.org/"))


_NOTHING: Final = object()


def _follow(document: Any, pointer: str) -> Any:
    if not pointer:
        return document
    if not pointer.startswith("/"):
        return next((each for _, each, _ in _schemas(document, "", "") if each.get("$anchor") == pointer), _NOTHING)
    at = document
    for token in pointer[1:].split("/"):
        at = _step(at, token.replace("~1", "/").replace("~0", "~"))
    return at


def _step(at: Any, token: str) -> Any:
    if isinstance(at, dict):
        return at.get(token, _NOTHING)
    if isinstance(at, list) and token.isdecimal() and int(token[:9]) < len(at):
        return at[int(token[:9])]
    return _NOTHING
