"""The event as an application sees it: the messaging service's fields, and what CloudEvents have besides."""

import dataclasses
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, Generic, Self

from pydantic import BaseModel, ValidationError
from typing_extensions import TypeVar

from eventplane.client.errors import InvalidEventError
from eventplane.client.frozen import FrozenDict, freeze
from eventplane.events.event import JSON, is_json
from eventplane.events.record import Header

T = TypeVar("T", default=dict[str, Any])
OF_FIELDS: Final[Mapping[str, str]] = {
    "id": "event_id",
    "source": "source",
    "type": "event_type",
    "subject": "subject",
    "dataschema": "data_schema",
    "datacontenttype": "content_type",
    "eventversion": "event_version",
    "correlationid": "correlation_id",
    "traceid": "trace_id",
}
"""CloudEvents' attributes, those of its own and the service's, and the fields that hold them."""
_RESERVED: Final = frozenset({*OF_FIELDS, "specversion", "time", "data"})
_NAME: Final = re.compile(r"[a-z0-9]+")
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Received:
    """Where an event was read."""

    topic: str
    """Name in Kafka."""
    partition: int
    """Of the topic, from 0."""
    offset: int
    """Of the record in its partition."""
    key: bytes | None = None
    """Of the record; None: it has none."""
    timestamp_ms: int | None = None
    """Of the record, milliseconds since 1970."""
    headers: tuple[Header, ...] = field(default=(), repr=False)
    """Of the record, in order; names may repeat."""


@dataclass(frozen=True)
class Event(Generic[T]):
    """Something that has happened; it cannot be changed, only made anew with other data.

    `Event[Order]`, where Order is a pydantic model, holds an Order: other data are validated as one.

    Args:
        event_type: such as order.created.
        event_version: of the type, such as 1.0.
        source: who tells of it.
        data: JSON as dicts and lists, a model, or bytes.
        timestamp: when it happened; default: now. A naive one is taken as UTC.
        event_id: unique within the source; default: a new UUID.
        correlation_id: what it belongs to.
        trace_id: of the trace that it is part of.
        subject: what in the source it is about.
        data_schema: URI of the schema that the data fit.
        content_type: of the data; default: JSON, or of bytes application/octet-stream.
        extensions: further attributes of CloudEvents; names are small letters and digits.
        received: where it was read; no part of the event.

    Raises:
        InvalidEventError: a field that no event may have, or data that do not fit.
    """

    event_type: str
    event_version: str
    source: str
    data: T = field(repr=False)  # logs are no place for payloads
    timestamp: datetime = None  # type: ignore[assignment]  # never None once it is made
    event_id: str = ""
    correlation_id: str | None = None
    trace_id: str | None = None
    subject: str | None = field(default=None, kw_only=True)
    data_schema: str | None = field(default=None, kw_only=True)
    content_type: str = field(default="", kw_only=True)
    extensions: Mapping[str, str] = field(default_factory=FrozenDict, kw_only=True)
    received: Received | None = field(default=None, kw_only=True, compare=False, repr=False)

    data_type: ClassVar[type[BaseModel] | None] = None
    """What the data of a typed event are."""

    def __class_getitem__(cls, item: Any) -> Any:
        """Return the class of events whose data are of a pydantic model."""
        if isinstance(item, type) and issubclass(item, BaseModel):
            return _typed(cls, item)  # type: ignore[arg-type]  # a class can be hashed
        return super().__class_getitem__(item)  # type: ignore[misc]  # Generic's, which typeshed does not show

    def __post_init__(self) -> None:
        self._complete()
        for name in ("event_type", "source", "event_version"):
            _check_text(name, getattr(self, name))
        if not self.event_type or not self.source:
            raise InvalidEventError(f"{'source' if self.event_type else 'event_type'}: an event has one")
        for name, value in self.extensions.items():
            _check_text(f"extensions.{name}", value)

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Make one of all its fields as they were read, which takes half the time: texts are texts already.

        Raises:
            InvalidEventError: extensions that no event may have, or data that do not fit.
        """
        event = object.__new__(cls)
        event.__dict__.update(fields)
        event._complete()
        return event

    def _complete(self) -> None:
        own = self.__dict__  # it is made only now
        own["timestamp"] = _in_utc(self.timestamp)
        own["event_id"] = self.event_id or str(uuid.uuid4())
        own["data"] = self._fitting(self.data)
        if not self.content_type:
            own["content_type"] = _BYTES if isinstance(self.data, bytes) else JSON
        own["extensions"] = FrozenDict(self.extensions)
        for name in self.extensions:
            if not _NAME.fullmatch(name) or name in _RESERVED:
                raise InvalidEventError(f"extensions: {name!r} is no name of one: small letters and digits, not taken")
        self._check_content()

    def __hash__(self) -> int:
        return hash((self.source, self.event_id))

    def with_data(self, data: T) -> Self:
        """Return this event with other data.

        Raises:
            InvalidEventError: they do not fit.
        """
        return dataclasses.replace(self, data=data)

    def checked(self) -> Self:
        """Return it with data that were validated just now: a model's fields may have been changed meanwhile.

        Raises:
            InvalidEventError: they do not fit any more.
        """
        if not isinstance(self.data, BaseModel):
            return self
        model = type(self.data)
        plain = self.data.model_dump(round_trip=True, by_alias=False, warnings="none")
        try:
            return dataclasses.replace(self, data=model.model_validate(plain, by_alias=False, by_name=True))
        except ValidationError as error:
            raise _misfit(self.event_type, model, error) from None

    def _fitting(self, data: Any) -> Any:
        model = self.data_type
        if model is None or isinstance(data, model):
            return freeze(data)
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise _misfit(self.event_type, model, error) from None

    def _check_content(self) -> None:
        if self.data is None or (is_json(self.content_type) and not isinstance(self.data, bytes)):
            return
        is_text = self.content_type.startswith("text/")
        if isinstance(self.data, str) and is_text:
            return
        if isinstance(self.data, bytes) and not is_text and not is_json(self.content_type):
            return
        raise InvalidEventError(f"data: a {type(self.data).__name__} cannot be {self.content_type}")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidEventError(f"{name}: it is a text")


@lru_cache(maxsize=1024)
def _typed(cls: type[Event[Any]], model: type[BaseModel]) -> type[Event[Any]]:
    return type(f"{cls.__name__}[{model.__name__}]", (cls,), {"data_type": model, "__doc__": cls.__doc__})


def _in_utc(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime.now(UTC)  # noqa: TID251 - an application that cares gives the time
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidEventError("timestamp: in UTC it is outside of the years 1 to 9999") from error


def _misfit(event_type: str, model: type[BaseModel], error: ValidationError) -> InvalidEventError:
    """Say what is wrong without saying what was there."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    said = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'data'}: {each['msg']}" for each in faults)
    return InvalidEventError(f"data of {event_type} are no {model.__name__}: {said}")
