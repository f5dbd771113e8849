"""Servers and subjects for the tests of serializers: a broker, a registry, and what the operator does to a subject."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported

from eventplane.events.majors import record_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry
    from eventplane.events.majors import Majors

_SECONDS = 10


class Subject:
    """A subject of a registry, as the operator changes it."""

    def __init__(self, registry: Registry, name: str, kind: str) -> None:
        self.registry = registry
        self.name = name
        self._kind = kind

    def register(self, text: str) -> tuple[int, int]:
        """Register a version and return its id and number."""
        body = {"schema": text, "schemaType": self._kind}
        schema_id = self._ask("POST", f"/subjects/{self.name}/versions", body)["id"]
        return schema_id, self._ask("POST", f"/subjects/{self.name}", body)["version"]

    def register_breaking(self, text: str) -> tuple[int, int]:
        """Register the first version of a new major one: the level is put aside and back."""
        self._ask("PUT", f"/config/{self.name}", {"compatibility": "NONE"})
        try:
            return self.register(text)
        finally:
            self._ask("PUT", f"/config/{self.name}", {"compatibility": "BACKWARD"})

    def record(self, majors: Majors) -> None:
        """Write the record of major versions."""
        record = Subject(self.registry, record_subject(self.name), "JSON")
        record._ask("PUT", f"/config/{record.name}", {"compatibility": "NONE"})
        record.register(majors.to_text())

    def remove(self) -> None:
        """Take it away for good, and its record."""
        for name in (self.name, record_subject(self.name)):
            self._ask("DELETE", f"/subjects/{name}", None)
            self._ask("DELETE", f"/subjects/{name}?permanent=true", None)

    def _ask(self, method: str, path: str, body: object) -> Any:
        return self.registry.request(method, path, body, seconds=_SECONDS)


def create_topic(kafka: Kafka, name: str, partitions: int = 1) -> None:
    """Create a topic and wait until the broker confirms it."""
    admin = AdminClient(kafka.client_config("PLAINTEXT") | {"log_level": 0})
    admin.create_topics([NewTopic(name, partitions)])[name].result(_SECONDS)


@contextmanager
def topics_of_a_page(kafka: Kafka, *names: str) -> Iterator[None]:
    """Have topics that begin empty, and leave none: another page may have one of the same name."""
    for name in names:
        create_topic(kafka, name)
    yield
    admin = AdminClient(kafka.client_config("PLAINTEXT") | {"log_level": 0})
    for deleted in admin.delete_topics(list(names)).values():
        deleted.result(_SECONDS)
