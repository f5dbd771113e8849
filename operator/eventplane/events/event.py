"""An event: CloudEvents' attributes, headers, and data that are decoded only when somebody looks.

Source: CloudEvents 1.0.2 (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import orjson

from eventplane.events.record import Record

Form: TypeAlias = Literal["Binary", "Structured", "Envelope", "Plain"]
"""How it was written: CloudEvents' two content modes, the messaging service's JSON envelope, or no envelope at all."""
JSON: Final = "application/json"
REQUIRED: Final = ("id", "source", "type")
_ABSENT: Final = object()


class UndecodableError(ValueError):
    """Data that are not of the kind that they are said to be."""


class Event:
    """An event as it was read."""

    __slots__ = ("_attributes", "_data", "body", "content_type", "form", "is_framed", "raw", "record")

    def __init__(
        self,
        record: Record,
        form: Form,
        attributes: "Mapping[str, str] | None",
        body: bytes | None,
        content_type: str | None = None,
        *,
        is_framed: bool = False,
        raw: Mapping[str, bytes | None] | None = None,
    ) -> None:
        """Make one.

        Args:
            record: where it comes from.
            form: how it was written.
            attributes: CloudEvents' attributes, of which id, source and type are there; None: they are in `raw`.
            body: its data as bytes; None: it has none.
            content_type: what the bytes are; None: not told.
            is_framed: the bytes are in a registry's wire format: whoever knows the registry calls `set_data`.
            raw: headers that hold the attributes, which are decoded only when somebody looks.
        """
        self.record = record
        self.form = form
        self.raw = raw
        self._attributes = attributes
        self.body = body
        self.content_type = content_type
        self.is_framed = is_framed
        self._data: Any = _ABSENT

    @property
    def attributes(self) -> Mapping[str, str]:
        """Return CloudEvents' attributes.

        Raises:
            UndecodableError: a header that is not UTF-8.
        """
        if self._attributes is None:
            self._attributes = self._decoded_attributes(self.raw or {})
        return self._attributes

    def with_record(self, record: Record) -> "Event":
        """Return the same event, read from a record that differs only in headers that are no attributes."""
        event = Event(
            record,
            self.form,
            self._attributes,
            self.body,
            self.content_type,
            is_framed=self.is_framed,
            raw=self.raw,
        )
        event.set_data(self._data)
        return event

    @property
    def has_data(self) -> bool:
        """Whether the data are decoded."""
        return self._data is not _ABSENT

    def set_data(self, data: Any) -> None:
        """Give it the data that another has decoded."""
        self._data = data

    def data(self) -> Any:
        """Return the data, decoded at the first call.

        Raises:
            UndecodableError: the bytes are not what they are said to be.
        """
        if self._data is _ABSENT:
            self._data = self._decoded()
        return self._data

    def headers(self) -> dict[str, str]:
        """Return the record's headers that are no attributes, as text; of several with one name the last."""
        return {
            name: (value or b"").decode("utf-8", "replace")
            for name, value in self.record.headers() or ()
            if not name.startswith("ce_")
        }

    def _decoded_attributes(self, raw: Mapping[str, bytes | None]) -> Mapping[str, str]:
        try:
            found = {name[3:]: value.decode() for name, value in raw.items() if name[:3] == "ce_" and value is not None}
        except UnicodeDecodeError as error:
            raise UndecodableError(f"an attribute is not UTF-8: {error.reason}") from error
        if self.content_type is not None:
            found["datacontenttype"] = self.content_type
        return found

    def _decoded(self) -> Any:
        if self.body is None:
            return None
        if self.is_framed:
            raise UndecodableError("the data are in a schema registry's wire format, and no registry is known")
        if is_json(self.content_type):
            return _json(self.body)
        if self.content_type is not None and self.content_type.startswith("text/"):
            return self.body.decode("utf-8", "replace")
        return self.body


def is_json(content_type: str | None) -> bool:
    """Tell whether data of a content type are JSON; data whose type is not told are."""
    if content_type is None or content_type == JSON:
        return True
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in {JSON, "text/json"} or media_type.endswith("+json")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UndecodableError(f"the data are not JSON: {error.msg} at byte {error.pos}") from error
