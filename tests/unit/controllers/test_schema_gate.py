"""The gate at admission: what it turns away, and what it lets through because it cannot know."""

import asyncio
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import kopf
import pytest
from builders import CLUSTER, event_bus, metadata

from eventplane.api import PAUSED_ANNOTATION
from eventplane.api.event_bus import EventBus
from eventplane.api.schema import Schema, SchemaSpec
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_schemas import MemoryRegistry, MemorySchemaBackend
from eventplane.backends.schemas import SchemaBackend
from eventplane.controllers import schema_gate
from eventplane.controllers.admission import admit_schema
from eventplane.controllers.reconcile import Surroundings
from eventplane.controllers.reporting import Reporter
from eventplane.controllers.schema_gate import SchemaGate
from eventplane.controllers.schemas import SchemaReconciler
from eventplane.controllers.shelf import Key
from eventplane.controllers.store import Store
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.schema_state import Definition, ObservedSubject, SubjectQuery
from eventplane.telemetry import Metrics

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REGISTRY = {"url": "http://registry:8081"}


def record(*fields: str) -> str:
    return json.dumps({"type": "record", "name": "Order", "fields": [{"name": f, "type": "string"} for f in fields]})


def order(definition: str | None, *, paused: bool = False, **spec: Any) -> Schema:
    annotations = {PAUSED_ANNOTATION: "true"} if paused else {}
    wanted = {"type": "AVRO", "subject": "orders-value", "definition": definition, **spec}
    return Schema(metadata=metadata("order", annotations=annotations), spec=SchemaSpec.model_validate(wanted))


class Backend(MemorySchemaBackend):
    """A backend that knows whether it was closed, and can hang."""

    def __init__(self, registry: MemoryRegistry) -> None:
        super().__init__(registry)
        self.closed = self.hangs = False

    async def observe(self, keys: Collection[SubjectQuery]) -> Mapping[SubjectQuery, ObservedSubject]:
        if self.hangs:
            await asyncio.Event().wait()
        return await super().observe(keys)

    async def close(self) -> None:
        self.closed = True


class Place:
    """A bus with a registry in which version 1 of orders-value has an id, and a gate that looks there."""

    def __init__(self, bus: EventBus | None = None) -> None:
        self.registry = MemoryRegistry()
        self.registry.register("orders-value", Definition("AVRO", record("id")))
        self.backends: list[Backend] = []
        self.store = Store()
        self.store.put_namespace("shop", {})
        self.store.put_bus(bus or event_bus(schema_registry=REGISTRY))
        self.kubernetes = MemoryKubernetes(lambda: NOW)
        reporter = Reporter(self.kubernetes, self.store, lambda: NOW, 5)
        surroundings = Surroundings(self.store, reporter, Metrics(), CLUSTER, lambda: NOW)
        reconciler = SchemaReconciler(surroundings, self.kubernetes.read_config_map)
        self.gate = SchemaGate(reconciler, self.kubernetes, self._connect)

    def _connect(self, connection: RegistryConnection, bus: Key) -> SchemaBackend:
        del connection, bus
        self.backends.append(Backend(self.registry))
        return self.backends[-1]

    async def reason(self, schema: Schema, before: Schema | None = None) -> str | None:
        refusal = await self.gate.review(schema, before)
        return refusal.reason if refusal else None


BREAKING = record("id", "currency")


@pytest.mark.parametrize(
    ("schema", "before", "reason"),
    [
        pytest.param(order(record("id")), None, None, id="what is registered already"),
        pytest.param(order(BREAKING), None, "Incompatible", id="what breaks readers"),
        pytest.param(order('{"type": "record"'), None, "DefinitionInvalid", id="no schema"),
        pytest.param(order(BREAKING), order(BREAKING), None, id="the spec does not change"),
        pytest.param(order(BREAKING, mode="Plan"), None, None, id="Plan: its status tells"),
        pytest.param(order(BREAKING, mode="Observe"), None, None, id="Observe never writes"),
        pytest.param(order(BREAKING, paused=True), None, None, id="paused"),
        pytest.param(order(BREAKING, bus_ref={"name": "later"}), None, None, id="its bus may come later"),
        pytest.param(
            order(BREAKING, references=[{"name": "a", "schema_ref": {"name": "later"}}]),
            None,
            None,
            id="an import may too",
        ),
        pytest.param(
            order(None, definition_from={"config_map_key_ref": {"name": "later", "key": "k"}}),
            None,
            None,
            id="and a ConfigMap",
        ),
    ],
)
async def test_what_is_turned_away(schema: Schema, before: Schema | None, reason: str | None) -> None:
    place = Place()
    assert await place.reason(schema, before) == reason
    assert len(place.registry.versions("orders-value")) == 1, "it only asks"


async def test_a_bus_without_a_registry_is_for_the_status_to_tell() -> None:
    assert await Place(event_bus()).reason(order(BREAKING)) is None


async def test_a_registry_that_does_not_answer_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    place.registry.available = False
    assert await place.reason(order(BREAKING)) is None
    place.registry.available = True
    monkeypatch.setattr(schema_gate, "TIME_LIMIT_SECONDS", 0.01)
    place.backends[0].hangs = True
    assert await place.reason(order(BREAKING)) is None
    place.backends[0].hangs = False
    assert await place.reason(order(BREAKING)) == "Incompatible"


async def test_a_connection_is_kept_until_what_it_is_made_of_changes() -> None:
    login = {**REGISTRY, "authentication": {"secret_ref": {"name": "login"}}}
    place = Place(event_bus(schema_registry=login))
    assert await place.reason(order(BREAKING)) is None, "without its Secret there is no connection"
    place.kubernetes.put_secret("shop", "login", {"username": "u", "password": "old"})
    for _ in range(2):
        assert await place.reason(order(BREAKING)) == "Incompatible"
    assert len(place.backends) == 1
    place.kubernetes.put_secret("shop", "login", {"username": "u", "password": "new"})
    assert await place.reason(order(BREAKING)) == "Incompatible"
    assert [backend.closed for backend in place.backends] == [True, False]
    await place.gate.close()
    assert place.backends[1].closed


async def test_the_user_reads_the_reason_and_what_to_do() -> None:
    with pytest.raises(kopf.AdmissionError, match=r"Incompatible: .*Give `currency` a default") as refused:
        await admit_schema(Place().gate.review, order(BREAKING), None)
    assert refused.value.code == 422
