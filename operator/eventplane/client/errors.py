"""Why an event could not be written or read: whether the event is to blame, or the registry."""

from confluent_kafka.serialization import SerializationError as _Base


class SerializationError(_Base):
    """Data do not fit the schema, or there is none to write them by; the message names the place in the data."""


class DeserializationError(_Base):
    """Bytes that are no event of their schema, or that cannot be migrated; trying again is useless."""


class RegistryUnavailableError(_Base):
    """The registry did not answer, after the retries that its client was given: the event is not to blame."""


class UnknownMajorError(_Base):
    """The record of major versions cannot be read, so nobody can tell what the event means: it is not to blame."""
