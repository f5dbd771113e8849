"""What an application uses: events, publishers and subscribers, and serializers that know the registry.

Knows neither Kubernetes nor the operator; does IO, by Kafka's and the registry's clients only.
"""

from eventplane.client.broker import Broker
from eventplane.client.codec import from_cloudevent, from_envelope, to_cloudevent, to_envelope
from eventplane.client.configuration import BrokerConfig
from eventplane.client.dead_letters import DeadLetters
from eventplane.client.errors import (
    ConfigurationError,
    ConsumingError,
    DeserializationError,
    EventRejectedError,
    EventTooLargeError,
    InvalidEventError,
    PublisherClosedError,
    PublishError,
    PublishUnavailableError,
    RegistryUnavailableError,
    RetryLaterError,
    SchemaMismatchError,
    SerializationError,
    TransactionError,
    UnknownMajorError,
)
from eventplane.client.event import Event, Received
from eventplane.client.iteration import Delivery
from eventplane.client.publisher import EventPublisher
from eventplane.client.receipt import BatchReport, Receipt
from eventplane.client.serialization import EventDeserializer, EventSerializer
from eventplane.client.subscriber import EventSubscriber
from eventplane.client.transaction import Transaction
from eventplane.events.dead_letter_choice import Choice, Span
from eventplane.events.dead_letter_view import DeadLetter
from eventplane.transports.binding import registry_settings

__all__ = [
    "BatchReport",
    "Broker",
    "BrokerConfig",
    "Choice",
    "ConfigurationError",
    "ConsumingError",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "DeserializationError",
    "Event",
    "EventDeserializer",
    "EventPublisher",
    "EventRejectedError",
    "EventSerializer",
    "EventSubscriber",
    "EventTooLargeError",
    "InvalidEventError",
    "PublishError",
    "PublishUnavailableError",
    "PublisherClosedError",
    "Receipt",
    "Received",
    "RegistryUnavailableError",
    "RetryLaterError",
    "SchemaMismatchError",
    "SerializationError",
    "Span",
    "Transaction",
    "TransactionError",
    "UnknownMajorError",
    "from_cloudevent",
    "from_envelope",
    "registry_settings",
    "to_cloudevent",
    "to_envelope",
]
