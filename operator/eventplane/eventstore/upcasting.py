"""Events of old versions as those of new ones, when they are read; what is stored stays as it was."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

from eventplane.client.codec import to_cloudevent
from eventplane.client.event import Event
from eventplane.events.migrations import MigrationError, MigrationPath
from eventplane.eventstore.errors import EventStoreError

Upcast: TypeAlias = Callable[[Any], Any]
"""Makes data of the next version of data of one."""


class Upcasters:
    """The steps from version to version, by the type of event."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], tuple[str, Upcast]] = {}
        self._paths: dict[str, tuple[MigrationPath, int]] = {}

    def register(self, event_type: str, from_version: str, to_version: str, upcast: Upcast) -> None:
        """Take events of a version to the next one by a function of their data.

        Raises:
            ValueError: there is a step from that version already, or it would lead in a circle.
        """
        if (event_type, from_version) in self._steps:
            raise ValueError(f"{event_type} {from_version}: there is a step from it already")
        version: str | None = to_version
        while version is not None:
            if version == from_version:
                raise ValueError(f"{event_type} {from_version}: the steps lead in a circle")
            version = self._steps.get((event_type, version), (None, None))[0]
        self._steps[event_type, from_version] = (to_version, upcast)

    def register_migrations(self, event_type: str, path: MigrationPath, to_major: int) -> None:
        """Take events of older major versions to one by the migrations of their Schema.

        Args:
            event_type: whose `event_version` begins with the major version.
            path: of `compile_steps`.
            to_major: the one that is wanted.
        """
        self._paths[event_type] = (path, to_major)

    def upcast(self, event: Event[Any]) -> Event[Any]:
        """Return an event as one of the newest version that steps lead to; data that are gone stay gone.

        Raises:
            EventStoreError: a step cannot be taken with this event.
        """
        if event.data is None:
            return event
        while step := self._steps.get((event.event_type, event.event_version)):
            version, upcast = step
            try:
                data = upcast(event.data)
            except Exception as error:
                raise EventStoreError(f"event {event.event_id} cannot become version {version}: {error!r}") from error
            event = dataclasses.replace(event, event_version=version, data=data)
        return self._migrated(event)

    def _migrated(self, event: Event[Any]) -> Event[Any]:
        path, wanted = self._paths.get(event.event_type, (None, 0))
        major = event.event_version.partition(".")[0]
        if path is None or not major.isdecimal() or int(major) >= wanted:
            return event
        try:
            data = path.migrate(to_cloudevent(event), int(major), wanted)
        except MigrationError as error:
            raise EventStoreError(f"event {event.event_id}: {error}") from error
        return dataclasses.replace(event, event_version=f"{wanted}.0", data=data)
