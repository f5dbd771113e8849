"""Principals that are mapped instead of made: what a bus calls them, and the sign that Eventplane has granted theirs.

Kafka keeps no user for them that could be ours. So whose a principal is says an ACL of its own, its mark: the right to
describe a consumer group that has the name which its resource's user would have, and that nobody may join.
"""

import re
from collections.abc import Iterable
from typing import Final

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_state import Grant
from eventplane.planning.plan import Refusal

USERS: Final = "eventplane."
"""What the names of all users begin with that operators make, or would."""
_SLOT: Final = re.compile(r"\{\{ (namespace|name|kind) \}\}")
_TELLS_APART: Final = re.compile(r"[^a-z0-9-]")
"""What no namespace has in it; a name may have dots, but is beside a namespace."""


def maps_principals(bus: EventBus) -> bool:
    """Tell whether the applications of a bus have principals that nobody makes."""
    kafka = bus.spec.kafka
    known = kafka.authentication is not None and kafka.authentication.type in {"TLS", "PLAIN", "OAUTHBEARER"}
    return known and kafka.principals is not None


def principal_name(resource: Access, bus: EventBus) -> str | Refusal:
    """Name the principal of a resource on a bus that maps them: no two of its namespace and name have the same.

    Kafka's names hold no `User:`. A namespace has no dots, and neither it nor a name has anything but letters in lower
    case, digits, hyphens, and a name dots: whatever else is between them ends the one and begins the other.
    """
    principals = bus.spec.kafka.principals
    template = principals.template if principals is not None else ""
    parts = _SLOT.split(template)
    texts, slots = parts[::2], parts[1::2]
    if sorted(slot for slot in slots if slot != "kind") != ["name", "namespace"]:
        return _unusable(bus, template, "it has to have {{ namespace }} once and {{ name }} once")
    first, last = sorted((slots.index("namespace"), slots.index("name")))
    if not any(_TELLS_APART.search(text) for text in texts[first + 1 : last + 1]):
        return _unusable(bus, template, "a dot, or what no name can have, has to be between namespace and name")
    if any({"{", "}"} & set(text) for text in texts) or template.startswith("User:"):
        return _unusable(bus, template, "User: and other braces have no place in it")
    metadata = resource.metadata
    values = {"namespace": metadata.namespace, "name": metadata.name, "kind": resource.kind.lower()}
    return _SLOT.sub(lambda slot: values[slot[1]], template)


def _unusable(bus: EventBus, template: str, why: str) -> Refusal:
    where = "/".join(bus.metadata.key)
    text = f"spec.kafka.principals of EventBus {where} has template {template!r}, which tells nobody apart: {why};"
    return Refusal(Reason.INVALID_NAME, f"{text} its owner can name another")


def mark_of(user: str) -> Grant:
    """Make the mark of a resource, by the name that its user would have."""
    return Grant("GROUP", user, "DESCRIBE")


def holder_of(grants: Iterable[Grant]) -> str | None:
    """Read who holds a principal, by the name that its user would have; None where Eventplane grants it nothing.

    Where two marked it at once, one of them has it, whoever looks.
    """
    marks = (each.name for each in grants if each == mark_of(each.name) and each.name.startswith(USERS))
    return min(marks, default=None)
