"""What an application uses: serializers that know the registry and the major versions of its subjects.

Knows neither Kubernetes nor the operator; does IO, by Kafka's and the registry's clients only.
"""

from eventplane.client.binding import registry_settings
from eventplane.client.errors import (
    DeserializationError,
    RegistryUnavailableError,
    SerializationError,
    UnknownMajorError,
)
from eventplane.client.serialization import EventDeserializer, EventSerializer

__all__ = [
    "DeserializationError",
    "EventDeserializer",
    "EventSerializer",
    "RegistryUnavailableError",
    "SerializationError",
    "UnknownMajorError",
    "registry_settings",
]
