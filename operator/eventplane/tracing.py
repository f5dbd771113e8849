"""Spans of OpenTelemetry where somebody has set it up, and none where nobody has or the extra `tracing` is absent.

| span | kind | from | to | parent |
|---|---|---|---|---|
| `send <topic>` | producer | an event is handed over | its acknowledgement | the span around it |
| `process <topic>` | consumer | an attempt begins | its end | the span that the record's headers name |
| `process <topic>` of a batch | consumer | an attempt begins | its end | none; it has links to those of its events |

Headers: `traceparent` and `tracestate`, or what else the propagators write. No key and no data are told.
Names and attributes: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/, which are still in development.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Final, TypeAlias

try:
    from opentelemetry import context, propagate, trace

    _IS_THERE = True
except ImportError:  # the extra was not installed
    _IS_THERE = False

logger = logging.getLogger(__name__)

Headers: TypeAlias = "Sequence[tuple[str, bytes | None]]"
Attributes: TypeAlias = "Mapping[str, str | int]"
_NAME: Final = "eventplane"
_GROUP: Final = "opentelemetry_traces_exporter"
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP: Final[Mapping[str, str]] = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
"""Entry points by protocol, which the exporters' packages bring."""


@dataclass(frozen=True, slots=True)
class About:
    """Which event a span is about."""

    topic: str
    event_id: str
    source: str
    event_type: str

    def attributes(self, operation: str) -> dict[str, str | int]:
        """Return what is told of it."""
        return {
            **_attributes(operation, self.topic),
            "messaging.message.id": self.event_id,
            "cloudevents.event_id": self.event_id,
            "cloudevents.event_source": self.source,
            "cloudevents.event_type": self.event_type,
        }


@dataclass(frozen=True, slots=True)
class Read:
    """Where an event was read."""

    partition: int
    offset: int
    headers: Headers


class EventSpan:
    """A span that has begun; whoever began it ends it, once."""

    __slots__ = ("_context", "_span")

    def __init__(self, span: "trace.Span", parent: "context.Context | None" = None) -> None:
        self._span = span
        self._context = trace.set_span_in_context(span, parent)

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Return what names it to whoever goes on."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier, self._context)
        return [(name, value.encode()) for name, value in carrier.items()]

    def replace_headers(self, headers: Headers) -> list[tuple[str, bytes | None]]:
        """Return headers of a record with this span in place of the one that they name."""
        own = self.headers
        names = {name for name, _value in own} | set(propagate.get_global_textmap().fields)
        return [*(header for header in headers if header[0] not in names), *own]

    def say(self, attributes: Mapping[str, str | int]) -> None:
        """Tell more of it."""
        self._span.set_attributes(attributes)

    def fail(self, reason: str) -> None:
        """Say that it failed, and for what reason."""
        self._span.set_attribute("error.type", reason)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        """End it."""
        self._span.end()

    @contextmanager
    def around(self) -> Iterator[None]:
        """Be in it, and end it: what is published meanwhile has it for a parent."""
        token = context.attach(self._context)
        try:
            yield
        finally:
            context.detach(token)
            self.end()


def is_tracing() -> bool:
    """Tell whether somebody has set it up; without, all else would only take time."""
    nobody = () if not _IS_THERE else (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return _IS_THERE and not isinstance(trace.get_tracer_provider(), nobody)


@contextmanager
def within(headers: Mapping[str, str]) -> Iterator[None]:
    """Be in the span of somebody else that headers name, where `is_tracing`; else all is as it was."""
    if not is_tracing():
        yield
        return
    token = context.attach(propagate.extract(headers))
    try:
        yield
    finally:
        context.detach(token)


def begin_send(about: About) -> EventSpan:
    """Begin the span of an event that is published, below the one that this task is in, where `is_tracing`."""
    return _begun(f"send {about.topic}", trace.SpanKind.PRODUCER, None, about.attributes("send"))


def begin_process(about: About, read: Read, attributes: Attributes) -> EventSpan:
    """Begin the span of an attempt, where `is_tracing`.

    Args:
        about: which event.
        read: where it was read.
        attributes: what else is told.
    """
    told = {
        **about.attributes("process"),
        "messaging.destination.partition.id": str(read.partition),
        "messaging.kafka.offset": read.offset,
        **attributes,
    }
    parent = propagate.extract(_texts(read.headers))
    return _begun(f"process {about.topic}", trace.SpanKind.CONSUMER, parent, told)


def begin_batch(topic: str, events: Sequence[Headers], attributes: Attributes) -> EventSpan:
    """Begin the span of an attempt with a batch, where `is_tracing`.

    Args:
        topic: that of the events, or of one of them where they are of several.
        events: headers of each.
        attributes: what else is told.
    """
    told = {**_attributes("process", topic), "messaging.batch.message_count": len(events), **attributes}
    nothing = context.Context()
    spans = (trace.get_current_span(propagate.extract(_texts(headers), nothing)) for headers in events)
    links = [trace.Link(found) for each in spans if (found := each.get_span_context()).is_valid]
    return _begun(f"process {topic}", trace.SpanKind.CONSUMER, nothing, told, links)


def headers_of_now() -> Sequence[tuple[str, bytes]]:
    """Return what names the span that this task is in: for events that are written later, with others."""
    if not is_tracing():
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


def configure_tracing(environment: Mapping[str, str], service: str) -> None:
    """Set a process up to export its spans, if the environment asks for it and the packages are there.

    `OTEL_TRACES_EXPORTER` or `OTEL_EXPORTER_OTLP_ENDPOINT` asks for it; the SDK reads all else of OpenTelemetry's
    variables itself. What is asked for and not there is logged, and never a reason not to start.

    Args:
        environment: of the process.
        service: its name, where OTEL_SERVICE_NAME says none.
    """
    named = _exporter(environment)
    if named is None:
        return
    found = next(iter(entry_points(group=_GROUP, name=named)), None)
    if found is None:
        logger.warning("no spans are exported", extra={"fields": {"problem": f"exporter {named} is not installed"}})
        return
    # here, since it takes its time, and only who asks for it should pay
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    is_named = environment.get("OTEL_SERVICE_NAME") or SERVICE_NAME in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if is_named else {SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(found.load()()))
    trace.set_tracer_provider(provider)


def _exporter(environment: Mapping[str, str]) -> str | None:
    """Tell which exporter is asked for; None: none.

    | OTEL_SDK_DISABLED | OTEL_TRACES_EXPORTER | an endpoint of OTLP | exporter |
    |---|---|---|---|
    | true | any | any | none |
    | no | none | any | none |
    | no | otlp | any | OTLP, by the protocol that is asked for |
    | no | another | any | that |
    | no | absent | yes | OTLP, as above |
    | no | absent | no | none |
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    asked = environment.get(_EXPORTER) or ("otlp" if any(environment.get(each) for each in _ENDPOINTS) else "none")
    if asked == "otlp":
        protocol = next((environment[each] for each in _PROTOCOLS if environment.get(each)), "http/protobuf")
        return _OTLP.get(protocol, protocol)
    return None if asked == "none" else asked


def _begun(
    name: str,
    kind: "trace.SpanKind",
    parent: "context.Context | None",
    attributes: Attributes,
    links: "Sequence[trace.Link]" = (),
) -> EventSpan:
    tracer = trace.get_tracer(_NAME)
    return EventSpan(tracer.start_span(name, parent, kind, attributes, links), parent)


def _attributes(operation: str, topic: str) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }


def _texts(headers: Headers) -> dict[str, str]:
    return {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
