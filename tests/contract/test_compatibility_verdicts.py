"""Our words about a violation never contradict the verdict of a real registry."""

from __future__ import annotations

import json
import urllib.error
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from contract.schema_pairs import Pair, avro_pairs, json_pairs, proto_pairs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from e2e.servers.registry import private_registry
from eventplane.planning.compatibility import explain, explain_with
from eventplane.planning.definitions import check
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.servers.registry import Registry
    from eventplane.api.schema import CompatibilityLevel, SchemaType, Violation

NUMBERS = count(1)
EXAMPLES = 100  # of three requests each, with any profile
LEVELS = st.sampled_from(
    ["BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE"]
)


class Oracle:
    """A registry that is asked whether one definition may follow another."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def verdict(self, level: CompatibilityLevel, old: Definition, new: Definition) -> CompatibilityVerdict | None:
        """Return what the registry says; None where it fails on the pair, as Apicurio does on some combined schemas."""
        subject = f"pair-{next(NUMBERS)}"
        self._send("POST", f"/subjects/{subject}/versions", _body(old))
        if level != "BACKWARD":  # the registry's default, as the harness starts it
            self._send("PUT", f"/config/{subject}", {"compatibility": level})
        try:
            answer = self._send("POST", f"/compatibility/subjects/{subject}/versions/1?verbose=true", _body(new))
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.INTERNAL_SERVER_ERROR:
                return None
            if error.code != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            # Both are valid, and it cannot compare them: an alias that could stand for two fields is one such case.
            return CompatibilityVerdict(compatible=False, messages=(json.load(error)["message"],))
        return CompatibilityVerdict(answer["is_compatible"], tuple(answer.get("messages", ())))

    def _send(self, method: str, path: str, body: dict[str, str]) -> Any:
        return self.registry.request(method, path, body, seconds=30)


def _body(definition: Definition) -> dict[str, str]:
    return {"schemaType": definition.type, "schema": definition.text}


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """A registry, started for this module."""
    with private_registry() as registry:
        yield Oracle(registry)


def said(
    oracle: Oracle, level: CompatibilityLevel, type_: SchemaType, pair: Pair
) -> tuple[CompatibilityVerdict, tuple[Violation, ...], tuple[Violation, ...]]:
    """Return the registry's verdict, what we say without it, and what we say with it."""
    old, new = (Definition(type_, text) for text in pair)
    assume(check(old) is None and check(new) is None)
    verdict = oracle.verdict(level, old, new)
    assume(verdict is not None)
    assert verdict is not None
    versions = (RegisteredVersion(1, 1, old),)
    return verdict, explain(level, new, versions), explain_with(level, new, versions, {1: verdict})


@settings(max_examples=EXAMPLES)
@given(level=LEVELS, pair=avro_pairs())
def test_avro_is_explained_exactly_where_the_registry_refuses(
    oracle: Oracle, level: CompatibilityLevel, pair: Pair
) -> None:
    verdict, without, with_verdict = said(oracle, level, "AVRO", pair)
    assert verdict.compatible == (not without), without
    assert with_verdict == without


@settings(max_examples=EXAMPLES)
@given(level=LEVELS, pair=json_pairs())
def test_json_is_explained_only_where_the_registry_refuses(
    oracle: Oracle, level: CompatibilityLevel, pair: Pair
) -> None:
    verdict, without, with_verdict = said(oracle, level, "JSON", pair)
    assert not (verdict.compatible and without), without
    assert verdict.compatible == (not with_verdict), with_verdict


@settings(max_examples=EXAMPLES)
@given(level=LEVELS, pair=proto_pairs())
def test_protobuf_is_explained_only_where_the_registry_refuses(
    oracle: Oracle, level: CompatibilityLevel, pair: Pair
) -> None:
    verdict, without, with_verdict = said(oracle, level, "PROTOBUF", pair)
    assert not (verdict.compatible and without), without
    assert verdict.compatible == (not with_verdict), with_verdict
