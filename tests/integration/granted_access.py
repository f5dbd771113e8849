"""The access of a resource to a Kafka where principals are mapped: granted as the operator does, seen on the broker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from builders import CLUSTER, event_topic, settled

from eventplane.backends.kafka import KafkaPrincipalBackend
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import GrantAccess
from eventplane.planning.access_desired import DesiredAccess, desire_access
from eventplane.planning.access_state import ObservedAccess
from eventplane.planning.connection import AccessConnection

if TYPE_CHECKING:
    from eventplane.api.access import Access
    from eventplane.api.event_bus import EventBus
    from eventplane.planning.connection import KafkaConnection


async def granted_access(
    resource: Access, bus: EventBus, way_in: KafkaConnection, topic_name: str, operator: KafkaConnection | None = None
) -> DesiredAccess:
    """Grant the principal of a resource what it asks for.

    Args:
        resource: of the topic orders.
        bus: which it is on.
        way_in: how applications connect.
        topic_name: what orders is called in Kafka.
        operator: how the operator connects; default: as applications do.
    """
    made = settled(event_topic())
    topic = made.model_copy(update={"status": made.status.model_copy(update={"topic_name": topic_name})})
    desired = desire_access(resource, bus, AccessConnection(way_in), {"orders": topic}, CLUSTER)
    assert isinstance(desired, DesiredAccess)
    case = AccessCase(resource, bus, desired, ObservedAccess(), "never", datetime(2026, 1, 1, tzinfo=UTC))
    backend = KafkaPrincipalBackend(operator or way_in, client_id="integration")
    try:
        for change in decide_access(case).changes:
            if isinstance(change, GrantAccess):
                assert [outcome.error for outcome in await backend.apply([change])] == [None]
        found = await backend.observe([desired.query.principal]) if desired.query.principal else {}
        assert [each.grants for each in found.values()] == [desired.grants]
    finally:
        await backend.close()
    return desired
