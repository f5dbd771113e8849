"""Answers of a registry as users read them: the table of `translate`, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventplane.api.conditions import Reason
from eventplane.backends.schema_registry.errors import NoAnswer, not_a_registry, translate
from eventplane.planning.outcome import Rejected, Unavailable

if TYPE_CHECKING:
    from eventplane.planning.outcome import BackendError

ROWS = [
    (401, None, Rejected, Reason.AUTHENTICATION_FAILED),
    (403, None, Rejected, Reason.AUTHORIZATION_FAILED),
    (409, {"error_code": 409, "message": "no"}, Rejected, Reason.INCOMPATIBLE),
    (422, {"error_code": 42201, "message": "no"}, Rejected, Reason.DEFINITION_INVALID),
    (422, {"error_code": 42206, "message": "no"}, Rejected, Reason.IN_USE),
    (422, {"error_code": 42203, "message": "no"}, Rejected, Reason.REJECTED),
    (422, None, Rejected, Reason.REJECTED),
    (408, None, Unavailable, Reason.REGISTRY_UNAVAILABLE),
    (425, None, Unavailable, Reason.REGISTRY_UNAVAILABLE),
    (429, None, Unavailable, Reason.REGISTRY_UNAVAILABLE),
    (500, {"error_code": 50001, "message": "no"}, Unavailable, Reason.REGISTRY_UNAVAILABLE),
    (503, "text", Unavailable, Reason.REGISTRY_UNAVAILABLE),
    (500, {"error_code": 0, "message": "#: could not determine version"}, Rejected, Reason.NOT_COMPARABLE),
    (500, {"message": "Unresolved JSON Schema reference: a"}, Rejected, Reason.DEFINITION_INVALID),
    (302, None, Rejected, Reason.REJECTED),
    (400, ["odd"], Rejected, Reason.REJECTED),
]


@pytest.mark.parametrize(("status", "answer", "kind", "reason"), ROWS)
def test_each_answer_becomes_one_of_two_errors(
    status: int, answer: Any, kind: type[BackendError], reason: Reason
) -> None:
    error = translate(status, answer, "subject orders")
    assert type(error) is kind
    assert error.reason == reason
    assert "subject orders" in error.message


def test_the_registrys_words_are_kept_without_its_classes_and_line_ends() -> None:
    words = "io.apicurio.registry.rules.violation.RuleViolationException: Incompatible\n  artifact: [b at /fields/1]"
    error = translate(409, {"message": words}, "subject orders")
    assert error.message == "the schema registry refused subject orders: Incompatible artifact: [b at /fields/1]"


def test_long_words_are_cut() -> None:
    assert len(translate(409, {"message": "x" * 100_000}, "subject orders").message) < 1100


def test_no_answer_is_the_registrys_not_the_buss() -> None:
    error = NoAnswer("subject orders", "connection refused")
    assert error.reason == Reason.REGISTRY_UNAVAILABLE
    assert error.message == "the schema registry did not answer about subject orders: connection refused"


def test_what_is_no_registry_names_the_field_to_check() -> None:
    assert "spec.schemaRegistry.url" in not_a_registry("subject orders").message
