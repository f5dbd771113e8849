"""What is read of arguments, and how a report is written."""

import json

import pytest

from eventplane.api.conditions import Reason
from eventplane.api.schema import Violation
from eventplane.backends.schema_registry.errors import not_a_registry, translate
from eventplane.cli.failure import CommandError
from eventplane.cli.registry_access import at_a_prompt
from eventplane.cli.schema_check import Report, json_lines, parse_reference, text_lines
from eventplane.planning.schema_state import Reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("shop.Address=address:1", Reference("shop.Address", "address", 1)),
        ("https://example.com/a?b=c=address:12", Reference("https://example.com/a?b=c", "address", 12)),
        ("a.proto=team:address:3", Reference("a.proto", "team:address", 3)),
    ],
)
def test_a_reference_is_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "a", "a=b", "a=b:", "a=b:0", "a=b:latest", "=b:1", "a=:1", "a=b:-1"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="NAME=SUBJECT:VERSION"):
        parse_reference(text)


VIOLATIONS = (
    Violation(version=1, path="lines[].sku", rule="TypeChanged", message="Keep the type."),
    Violation(version=3, rule="Incompatible", message="Undo it."),
)


@pytest.mark.parametrize(
    ("report", "lines"),
    [
        (
            Report("a", "FULL", exists=False, versions_checked=(), judged_by="registry"),
            ["a: compatible: the subject does not exist yet, this would be its first version (level FULL)"],
        ),
        (
            Report("a", "NONE", exists=True, versions_checked=(), judged_by="registry"),
            ["a: compatible: level NONE protects no version"],
        ),
        (
            Report("a", "FULL", exists=True, versions_checked=(2,), judged_by="registry"),
            ["a: compatible with version 2 (level FULL)"],
        ),
        (
            Report("a", "FULL_TRANSITIVE", exists=True, versions_checked=(1, 2), judged_by="eventplane"),
            ["a: compatible with versions 1, 2 (level FULL_TRANSITIVE, judged without the registry)"],
        ),
        (
            Report(
                "a",
                "FULL_TRANSITIVE",
                exists=True,
                versions_checked=(1, 2, 3),
                judged_by="registry",
                violations=VIOLATIONS,
            ),
            [
                "a: INCOMPATIBLE with versions 1, 3 (level FULL_TRANSITIVE)",
                "  version 1 at lines[].sku: TypeChanged",
                "    Keep the type.",
                "  version 3: Incompatible",
                "    Undo it.",
            ],
        ),
    ],
)
def test_a_report_for_people(report: Report, lines: list[str]) -> None:
    assert list(text_lines(report)) == lines


def test_a_report_for_programs() -> None:
    report = Report("a", "FULL", exists=True, versions_checked=(1,), judged_by="registry", violations=VIOLATIONS[:1])
    assert json.loads("\n".join(json_lines(report))) == {
        "subject": "a",
        "level": "FULL",
        "compatible": False,
        "versions_checked": [1],
        "judged_by": "registry",
        "violations": [{"version": 1, "path": "lines[].sku", "rule": "TypeChanged", "message": "Keep the type."}],
    }


@pytest.mark.parametrize("status", [401, 403])
def test_the_backends_advice_is_for_a_prompt(status: int) -> None:
    error = translate(status, {"message": "no"}, "the list of subjects")
    assert error.reason in {Reason.AUTHENTICATION_FAILED, Reason.AUTHORIZATION_FAILED}
    assert "EventBus" not in at_a_prompt(error.message)
    assert "the bus" not in at_a_prompt(error.message)


def test_an_address_that_is_no_registry_is_said_for_a_prompt() -> None:
    message = at_a_prompt(not_a_registry("the list of subjects").message)
    assert "check --registry" in message
    assert "EventBus" not in message
