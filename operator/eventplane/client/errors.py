"""What an application may be told: whether an event is to blame, or a server, or how it was asked."""

from confluent_kafka.serialization import SerializationError as _Base


class SerializationError(_Base):
    """Data do not fit the schema, or there is none to write them by; the message names the place in the data."""


class DeserializationError(_Base):
    """Bytes that are no event of their schema, or that cannot be migrated; trying again is useless."""


class RegistryUnavailableError(_Base):
    """The registry did not answer, after the retries that its client was given: the event is not to blame."""


class UnknownMajorError(_Base):
    """The record of major versions cannot be read, so nobody can tell what the event means: it is not to blame."""


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the message names the key."""


class InvalidEventError(ValueError):
    """What is no event, or data that do not fit its type; the message names the place, never the value."""


class PublishError(Exception):
    """An event that was not published, or of which nobody can tell."""


class EventRejectedError(PublishError):
    """It never will be: it does not fit its schema, or the broker refuses it. From a handler: never try it again."""


class SchemaMismatchError(EventRejectedError):
    """Its data do not fit the schema of its topic. `problem`: what is wrong with them, beginning with the place."""

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class EventTooLargeError(EventRejectedError):
    """It is larger than its topic, or the producer, takes."""


class PublishUnavailableError(PublishError):
    """It was not acknowledged in time, or there is no such topic, or no right to it: it may be published later."""


class PublisherClosedError(PublishError):
    """The publisher was closed before the event was acknowledged: it may be there or not."""


class TransactionError(PublishUnavailableError):
    """A transaction that was not committed. `is_certain`: nobody will ever see anything of it; else nobody can tell."""

    def __init__(self, message: str, *, is_certain: bool = True) -> None:
        super().__init__(message)
        self.is_certain = is_certain


class ConsumingError(Exception):
    """A subscriber that cannot go on: only a new one can."""


class RetryLaterError(Exception):
    """From a handler: try this event again, no sooner than after so many seconds."""

    def __init__(self, message: str = "", after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds
