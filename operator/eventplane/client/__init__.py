"""What an application uses: events, publishers and subscribers, and serializers that know the registry.

Knows neither Kubernetes nor the operator; does IO, by Kafka's and the registry's clients only.
"""

from eventplane.client.codec import from_cloudevent, from_envelope, to_cloudevent, to_envelope
from eventplane.client.errors import (
    DeserializationError,
    InvalidEventError,
    RegistryUnavailableError,
    SerializationError,
    UnknownMajorError,
)
from eventplane.client.event import Event, Received
from eventplane.client.serialization import EventDeserializer, EventSerializer

__all__ = [
    "DeserializationError",
    "Event",
    "EventDeserializer",
    "EventSerializer",
    "InvalidEventError",
    "Received",
    "RegistryUnavailableError",
    "SerializationError",
    "UnknownMajorError",
    "from_cloudevent",
    "from_envelope",
    "to_cloudevent",
    "to_envelope",
]
