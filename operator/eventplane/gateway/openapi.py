"""What the gateway takes and answers, as a document of OpenAPI 3.1.

https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from eventplane.api.gateway_config import Limits

_PROBLEMS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "It is no event, or no place to begin at.",
    HTTPStatus.UNAUTHORIZED: "Nobody knows the token.",
    HTTPStatus.FORBIDDEN: "No grant.",
    HTTPStatus.NOT_FOUND: "There is no such topic.",
    HTTPStatus.TOO_MANY_REQUESTS: "Faster than the identity may be.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Try again after Retry-After seconds.",
}
_PROBLEMS_OF_BODIES: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive in time.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request, the batch or the event is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "No form that is known.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The data do not fit the topic's schema; `errors` has the path.",
}
_TEXT: Final = {"type": "string", "minLength": 1}
_ANY_TEXT: Final = {"type": "string"}
_NO_TEXT: Final = {"type": ["string", "null"]}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_INTEGER: Final = {"type": "integer"}
_SENT: Final = {
    "description": "One event of the stream; the data of a message are a CloudEvent.",
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": _ANY_TEXT,
        "event": {"enum": ["message", "problem"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


def openapi_document(limits: Limits) -> dict[str, Any]:
    """Describe a gateway with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Eventplane gateway", "version": version("eventplane")},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {
            "/v1/topics/{topic}/events": {
                "parameters": [_parameter("topic", "path", "Name in Kafka.", {"type": "string", "minLength": 1})],
                "post": _publish(limits),
                "get": _subscribe(),
            }
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas(),
        },
    }


def _publish(limits: Limits) -> dict[str, Any]:
    batch = {"type": "array", "maxItems": limits.batch_events}
    forms = {
        "application/cloudevents+json": {"schema": _ref("CloudEvent")},
        "application/cloudevents-batch+json": {"schema": {**batch, "items": _ref("CloudEvent")}},
        "application/json": {"schema": {"oneOf": [_ref("Envelope"), {**batch, "items": _ref("Envelope")}]}},
    }
    either = {"oneOf": [_ref("Published"), _ref("Outcomes")]}
    return {
        "operationId": "publish",
        "summary": "Publish an event, or a batch; answered once all replicas in sync have it.",
        "description": "CloudEvents' binary mode is taken as well: any body, with the headers ce-specversion, ce-id,"
        " ce-source and ce-type.",
        "parameters": [
            _parameter("key", "query", "Key of the records of events without partitionkey.", _ANY_TEXT),
            _parameter(
                "Idempotency-Key",
                "header",
                "A request that comes again with it has the same answer, for ten minutes and from one replica.",
                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            ),
        ],
        "requestBody": {"required": True, "content": forms},
        "responses": {
            "200": _answer("All are published.", "application/json", either),
            "207": _answer("Some of a batch are published.", "application/json", _ref("Outcomes")),
            **_problems({**_PROBLEMS, **_PROBLEMS_OF_BODIES}),
        },
    }


def _subscribe() -> dict[str, Any]:
    place = "earliest, latest, or positions such as 0:12,1:7; default: latest."
    return {
        "operationId": "subscribe",
        "summary": "Read events as server-sent events.",
        "parameters": [
            _parameter("offset", "query", place, _ANY_TEXT),
            _parameter("since", "query", "From the first record at or after it.", _MOMENT),
            _parameter("filter", "query", "CEL over `event`.", _ANY_TEXT),
            _parameter("Last-Event-ID", "header", "Where it goes on.", _ANY_TEXT),
        ],
        "responses": {
            "200": _answer("Events, until one of us ends it.", "text/event-stream", _SENT),
            **_problems(_PROBLEMS),
        },
    }


def _schemas() -> dict[str, Any]:
    place = {"topic": _TEXT, "partition": _INTEGER, "offset": _INTEGER, "timestamp": _MOMENT}
    published = {"id": _ANY_TEXT, **place}
    problem = {
        "title": _ANY_TEXT,
        "status": _INTEGER,
        "detail": _ANY_TEXT,
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"path": _ANY_TEXT, "detail": _ANY_TEXT}},
        },
    }
    outcome = {"type": "object", "required": ["status"], "properties": {"status": _INTEGER}}
    return {
        "CloudEvent": _object(
            {
                "specversion": {"const": "1.0"},
                **dict.fromkeys(("id", "source", "type"), _TEXT),
                "time": _MOMENT,
                "subject": _ANY_TEXT,
                "data": {},
            },
            ["specversion", "id", "source", "type"],
        )
        | {"propertyNames": {"pattern": "^[a-z0-9]+$"}, "additionalProperties": _ANY_TEXT},
        "Envelope": _object(
            {
                **dict.fromkeys(("event_type", "source"), _TEXT),
                **dict.fromkeys(("event_id", "event_version"), _ANY_TEXT),
                **dict.fromkeys(("correlation_id", "trace_id"), _NO_TEXT),
                "timestamp": _MOMENT,
                "data": {},
            },
            ["event_type", "source"],
        ),
        "Published": _object(published, list(published)),
        "Outcomes": _object(
            {"published": _INTEGER, "failed": _INTEGER, "outcomes": {"type": "array", "items": outcome}},
            ["published", "failed", "outcomes"],
        ),
        "Problem": _object(problem, ["title", "status", "detail"]),
    }


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": required}


def _problems(told: Mapping[HTTPStatus, str]) -> dict[str, Any]:
    return {
        str(status.value): _answer(text, "application/problem+json", _ref("Problem")) for status, text in told.items()
    }


def _answer(description: str, content_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def _parameter(name: str, where: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "description": description, "required": where == "path", "schema": schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
