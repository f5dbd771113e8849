"""The SDK's reference pages: nothing public is left unsaid, and each name is told as its source has it."""

import importlib
import re

import pytest

from hack.sdk_pages import sdk_pages, undocumented

PAGES = sdk_pages()
PACKAGES = ("client", "eventstore", "testing")


def entry(package: str, name: str) -> str:
    """Return what a page says of a name, its parts included."""
    _, _, rest = PAGES[f"docs/reference/sdk-{package}.md"].partition(f"\n## {name}\n")
    return rest.partition("\n## ")[0]


def test_nothing_public_is_left_unsaid() -> None:
    assert undocumented() == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_page_has_every_name_that_the_package_exports_and_no_other(package: str) -> None:
    exported = importlib.import_module(f"eventplane.{package}").__all__
    found = re.findall(r"^## (\w+)$", PAGES[f"docs/reference/sdk-{package}.md"], re.MULTILINE)
    assert found == sorted(exported)


def test_a_method_is_told_with_types_defaults_and_errors() -> None:
    said = entry("client", "EventPublisher")
    assert "async def publish_event(" in said
    assert "    *,\n    headers: Sequence[Header] = ()," in said
    assert "| `partition_key` | `str \\| None` |" in said
    assert re.search(r"^Raises:\n\n(- `\w+`: .+\n)+", said, re.MULTILINE)


def test_defaults_that_only_the_module_knows_are_told_by_their_value() -> None:
    assert re.search(r"max_in_flight: int = [0-9_]+,", entry("client", "EventPublisher"))


def test_what_a_class_is_made_with_is_told_once_and_other_attributes_beside_it() -> None:
    event = entry("client", "Event")
    assert "| `event_type` | `str` | such as order.created. |" in event
    assert event.count("| `event_type` |") == 1
    assert "| `topics` | `tuple[str, ...]` | `()` |" in entry("client", "BrokerConfig")


def test_defaults_of_fields_are_those_of_the_dataclass() -> None:
    assert "| `headers` | `tuple[Header, ...]` | `()` |" in entry("client", "Received")
    assert "| `original_message` | `bytes \\| None` |  |" in entry("client", "DeadLetter")


def test_a_constant_has_its_value_and_what_is_passed_on_leads_to_where_it_is_told() -> None:
    assert "BEGINNING = Position(0, 0)" in entry("eventstore", "BEGINNING")
    assert "(sdk-client.md#event)" in entry("eventstore", "Event")


def test_no_private_name_is_told() -> None:
    assert not re.findall(r"^### \w+\._[a-z]", "\n".join(PAGES.values()), re.MULTILINE)
