"""The Schemas that a bench creates, as the API server takes them, and what becomes of them in the registry."""

from typing import Any, Final

import orjson

from bench.manifests import BUS, bus, kind_path
from e2e.servers import Kafka
from eventplane.api import API_VERSION
from eventplane.api.schema import Schema

REGISTRY_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_FIELDS: Final = (
    {"name": "id", "type": "string"},
    {"name": "customer", "type": "string", "doc": "Who ordered."},
    {"name": "placedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "currency", "type": "string", "default": "EUR"},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]}},
    {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}},
    {"name": "note", "type": ["null", "string"], "default": None},
)
_ADDED: Final = {"name": "channel", "type": ["null", "string"], "default": None}
"""The field that an update adds, which is compatible."""


def schemas_path(namespace: str) -> str:
    """Return the path of a namespace's Schemas."""
    return kind_path(namespace, Schema.plural)


def subject_name(namespace: str, name: str) -> str:
    """Name the subject of a Schema."""
    return f"{namespace}.{name}-value"


def definition(namespace: str, name: str, *, altered: bool = False) -> str:
    """Define a record with eight fields whose name is nowhere else: a registry stores the same text once only."""
    record = {
        "type": "record",
        "name": f"Order_{name.replace('-', '_')}",
        "namespace": namespace.replace("-", "_"),
        "fields": [*_FIELDS, _ADDED] if altered else list(_FIELDS),
    }
    return orjson.dumps(record, option=orjson.OPT_INDENT_2).decode()


def schema(namespace: str, name: str) -> dict[str, Any]:
    """Return a Schema whose level is left to the registry."""
    return {
        "apiVersion": API_VERSION,
        "kind": Schema.kind,
        "metadata": {"name": name},
        "spec": {
            "busRef": {"name": BUS},
            "type": "AVRO",
            "subject": subject_name(namespace, name),
            "definition": definition(namespace, name),
        },
    }


def altered_spec(namespace: str, name: str) -> dict[str, Any]:
    """Return the merge patch that adds a field."""
    return {"spec": {"definition": definition(namespace, name, altered=True)}}


def registration(namespace: str, name: str, *, altered: bool = False) -> dict[str, str]:
    """Return what the registry is sent to register a definition, or to judge it."""
    return {"schemaType": "AVRO", "schema": definition(namespace, name, altered=altered)}


def bus_with_registry(kafka: Kafka, registry_url: str) -> dict[str, Any]:
    """Return the EventBus."""
    manifest = bus(kafka)
    manifest["spec"]["schemaRegistry"] = {"url": registry_url}
    return manifest


def floor_status(namespace: str, name: str, generation: int) -> dict[str, Any]:
    """Return a status of the size that the operator writes."""
    subject = subject_name(namespace, name)
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": "Ready",
            "message": f"version {generation} of subject {subject} is registered with id 1000",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, status in (("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False"))
    ]
    versions = [
        {"version": number, "id": 1000, "major": 1, "fingerprint": "0" * 16} for number in range(1, generation + 1)
    ]
    return {
        "status": {
            "observedGeneration": generation,
            "bus": f"{namespace}/{BUS}",
            "subject": subject,
            "id": 1000,
            "version": generation,
            "major": 1,
            "fingerprint": "0" * 16,
            "compatibility": "BACKWARD",
            "versions": versions,
            "applied": "0" * 16,
            "conditions": conditions,
        }
    }
