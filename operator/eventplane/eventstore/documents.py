"""Events to what a database keeps of them, and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import orjson

from eventplane.client.codec import from_cloudevent, to_cloudevent
from eventplane.client.errors import InvalidEventError
from eventplane.client.event import Event
from eventplane.eventstore.errors import EventStoreError
from eventplane.eventstore.stored import NewRow, Row

AGGREGATE_ID: Final = "aggregateid"
AGGREGATE_VERSION: Final = "aggregateversion"
TENANT: Final = "tenantid"
OF_STORE: Final = frozenset({AGGREGATE_ID, AGGREGATE_VERSION, TENANT})
"""Extensions that say where an event stands; data are nobody's place for that."""


def placed(event: Event[Any], aggregate_id: str, version: int, tenant: str = "") -> Event[Any]:
    """Return an event that says where it stands."""
    return dataclasses.replace(event, extensions={**event.extensions, **_places(aggregate_id, version, tenant)})


def places_of(row: Row) -> dict[str, str]:
    """Return the extensions that say where a row stands."""
    return _places(row.stream, row.version, row.tenant)


def version_of(event: Event[Any]) -> int | None:
    """Tell the version within its aggregate that an event says it has."""
    told = event.extensions.get(AGGREGATE_VERSION)
    return int(told) if told is not None and told.isdecimal() else None


def new_row(event: Event[Any]) -> NewRow:
    """Return what is kept of an event. Where it stands is kept beside it.

    Raises:
        InvalidEventError: its data are no JSON, or do not fit their type any more.
    """
    document = to_cloudevent(event.checked())
    for name in OF_STORE:
        document.pop(name, None)
    try:
        return NewRow(event.event_id, event.event_type, orjson.dumps(document).decode())
    except orjson.JSONEncodeError as error:
        raise InvalidEventError(f"an attribute of the event cannot be written: {error}") from error


def event_in(row: Row) -> Event[Any]:
    """Read what is kept.

    Raises:
        EventStoreError: it is no event.
    """
    try:
        event = from_cloudevent(row.document.encode())
    except InvalidEventError as error:
        raise EventStoreError(f"event {row.version} of {row.stream} cannot be read: {error}") from error
    return placed(event, row.stream, row.version, row.tenant)


def _places(aggregate_id: str, version: int, tenant: str) -> dict[str, str]:
    return {AGGREGATE_ID: aggregate_id, AGGREGATE_VERSION: str(version)} | ({TENANT: tenant} if tenant else {})


def typed(event: Event[Any], types: Mapping[str, type[Event[Any]]]) -> Event[Any]:
    """Return an event of the class that its type has.

    Raises:
        EventStoreError: its data do not fit.
    """
    wanted = types.get(event.event_type)
    if wanted is None or event.data is None:
        return event
    try:
        return wanted(**{each.name: getattr(event, each.name) for each in dataclasses.fields(event)})
    except InvalidEventError as error:
        raise EventStoreError(f"event {event.event_id} cannot be read: {error}") from error
