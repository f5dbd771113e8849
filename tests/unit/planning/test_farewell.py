"""What becomes of a resource being deleted whose bus cannot be asked: the rows of `farewell_to`."""

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import event_bus, event_topic, orphan, schema, settled, settled_schema

from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.schema import SchemaStatus
from eventplane.planning.farewell import Farewell, farewell_to


def leaving(**fields: Any) -> EventTopic:
    return settled(event_topic(deleting=True, **fields))


def later(minutes: int) -> datetime:
    return datetime(2026, 1, 2, 0, minutes, tzinfo=UTC)


GO, STAY = Farewell(release=True), Farewell(release=False)
DELETES = leaving(deletion_policy="Delete")


@pytest.mark.parametrize(
    ("resource", "minutes", "bus", "expected"),
    [
        pytest.param(leaving(deletion_policy="Delete", paused=True), 59, event_bus(), STAY, id="paused"),
        pytest.param(leaving(paused=True), 59, event_bus(), STAY, id="paused, even Retain"),
        pytest.param(leaving(), 0, event_bus(), GO, id="Retain has nothing to do outside"),
        pytest.param(leaving(deletion_policy="Delete", mode="Observe"), 0, event_bus(), GO, id="nor has Observe"),
        pytest.param(DELETES, 14, event_bus(), STAY, id="within orphanAfter"),
        pytest.param(DELETES, 15, event_bus(), Farewell(release=True, orphan=orphan(DELETES)), id="longer"),
        pytest.param(DELETES, 15, event_bus(orphan_after="1h"), STAY, id="a patient bus"),
        pytest.param(DELETES, 15, None, GO, id="the bus is gone, and with it who could do it later"),
        pytest.param(DELETES, 15, event_bus("other"), GO, id="another bus knows nothing of it"),
        pytest.param(event_topic(deleting=True, deletion_policy="Delete"), 15, event_bus(), GO, id="never named"),
    ],
)
def test_farewell(resource: EventTopic, minutes: int, bus: EventBus | None, expected: Farewell) -> None:
    assert farewell_to(resource, bus, later(minutes)) == expected


def test_a_schema_leaves_its_subject_behind() -> None:
    gone = settled_schema(schema(deleting=True, deletion_policy="Hard"))
    left = farewell_to(gone, event_bus(), later(15)).orphan
    assert left is not None
    assert (left.kind, left.uid, left.thing, left.deletion_policy) == (
        "Schema",
        "uid-shop-orders",
        "orders",
        "Hard",
    )
    known = SchemaStatus(bus="shop/main")
    never = schema(deleting=True, deletion_policy="Hard", status=known)
    assert farewell_to(never, event_bus(), later(15)) == GO


def test_what_nobody_approved_is_not_done_later() -> None:
    farewell = farewell_to(leaving(deletion_policy="Delete", mode="Plan"), event_bus(), later(15))
    assert farewell.orphan is not None
    assert farewell.orphan.deletion_policy == "Retain"
