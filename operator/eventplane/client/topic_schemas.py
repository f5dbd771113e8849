"""The schemas that topics' data are held to before they are published: asked for once, believed for a while."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from eventplane.api.schema import SchemaType
from eventplane.client.errors import (
    EventRejectedError,
    PublishUnavailableError,
    RegistryUnavailableError,
    SchemaMismatchError,
    UnknownMajorError,
)
from eventplane.client.frozen import thaw
from eventplane.client.registry import AbsentError, SchemaReader
from eventplane.client.serialization import writer_of
from eventplane.events.validation import Codec, DataError, SchemaTextError

logger = logging.getLogger(__name__)

_TTL_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 5.0
_CONTENT_TYPES: Final[Mapping[SchemaType, str]] = {
    "AVRO": "application/avro",
    "JSON": "application/json",
    "PROTOBUF": "application/protobuf",
}


@dataclass(frozen=True, slots=True)
class TopicSchema:
    """The newest schema of a topic, at work."""

    type: SchemaType
    head: bytes
    """What stands before all data that it writes."""
    codec: Codec

    @property
    def content_type(self) -> str:
        """What the data are."""
        return _CONTENT_TYPES[self.type]

    def write(self, data: Any) -> bytes:
        """Return data in the registry's wire format.

        Raises:
            SchemaMismatchError: they do not fit; the message names the place.
        """
        if isinstance(data, BaseModel):
            data = data.model_dump(mode="python" if self.type == "AVRO" else "json", by_alias=True)
        try:
            return self.head + self.codec.encode(thaw(data))
        except DataError as error:
            raise SchemaMismatchError(f"the data do not fit the topic's schema: {error}", str(error)) from error


class TopicSchemas:
    """What the registry says of topics; what it said last holds while it does not answer."""

    def __init__(
        self,
        conf: Mapping[str, Any],
        majors: Mapping[str, int],
        ttl_seconds: float = _TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write by the newest version of a topic's subject, `<topic>-value`, or of a major version of it."""
        self._reader = SchemaReader(conf, ttl_seconds, clock)
        self._majors = majors
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._known: dict[str, tuple[float, TopicSchema | None]] = {}
        self._asking = asyncio.Lock()

    async def of(self, topic: str) -> TopicSchema | None:
        """Return a topic's schema; None where it has none.

        Raises:
            PublishUnavailableError: no answer, and it was never asked before.
            EventRejectedError: what is registered cannot be written by.
        """
        until, known = self._known.get(topic, (float("-inf"), None))
        if self._clock() < until:
            return known
        async with self._asking:
            until, known = self._known.get(topic, (float("-inf"), None))
            if self._clock() < until:
                return known
            return await self._ask(topic)

    def close(self) -> None:
        """Close the connections to the registry."""
        self._reader.close()

    async def _ask(self, topic: str) -> TopicSchema | None:
        try:
            found = await asyncio.to_thread(self._read, topic)
        except (RegistryUnavailableError, UnknownMajorError) as error:
            if topic not in self._known:
                raise PublishUnavailableError(f"{topic}: {error}") from error
            logger.warning("the schema known so far is used", extra={"fields": {"topic": topic, "problem": str(error)}})
            self._known[topic] = (self._clock() + _AGAIN_SECONDS, self._known[topic][1])
            return self._known[topic][1]
        except SchemaTextError as error:
            raise EventRejectedError(f"{topic}: its schema cannot be written by: {error}") from error
        self._known[topic] = (self._clock() + self._ttl_seconds, found)
        return found

    def _read(self, topic: str) -> TopicSchema | None:
        """Ask the registry; takes its time."""
        try:
            registered = self._reader.latest(f"{topic}-value", self._majors.get(topic))
        except AbsentError as error:
            if topic in self._majors:
                raise EventRejectedError(f"{topic}: there is no schema to write by: {error}") from error
            return None
        return TopicSchema(registered.schema.type, *writer_of(registered))
