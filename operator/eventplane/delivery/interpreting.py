"""From a record to what is to be delivered; whatever its bytes do, the end is a value and no exception."""

from collections.abc import Mapping

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.lookups import Lookups
from eventplane.events.dead_letters import Origin
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.lookups import NOTHING_KNOWN, Answer
from eventplane.events.processing import Processed, Processor
from eventplane.events.record import Record


class Interpreter:
    """Decodes, filters and transforms for one Subscription."""

    def __init__(self, config: RuntimeConfig, lookups: Lookups, *, has_registry: bool) -> None:
        """Compile what there is to compile; raises ExpressionError."""
        self._processor = Processor(config, lookups.find)
        self._has_registry = has_registry
        self._reads_data = self._processor.reads_data or any(
            each.topic is None for each in config.destinations.values()
        )

    def decode(self, record: Record, origin: Origin | None = None) -> Event | Failure:
        """Make an event of a record; `origin` is where it was read at first, if that is not where it is."""
        try:
            return decode_record(record, origin, has_registry=self._has_registry)
        except Exception as error:  # noqa: BLE001 - whatever these bytes do, the partition moves on
            return Failure("Undecodable", f"{type(error).__name__}: {error}")

    def asks_registry(self, event: Event) -> bool:
        """Tell whether the data of an event have to be read first, with the help of the registry."""
        return event.is_framed and not event.has_data and self._reads_data

    def process(self, decoded: Event | Failure, known: Mapping[str, Answer] = NOTHING_KNOWN) -> Processed:
        """Filter and transform; `known` is what was looked up for it."""
        if isinstance(decoded, Failure):
            return decoded
        try:
            return self._processor.process(decoded, known)
        except Exception as error:  # noqa: BLE001 - as above
            return Failure("ExpressionFailed", f"{type(error).__name__}: {error}")
