"""Where Kafka and the registry are, and who asks: from a mounted binding, from a dict, in the service's own keys."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from eventplane.client.errors import ConfigurationError
from eventplane.transports.binding import BindingError, binding_root, own_credentials, read_binding

Conf: TypeAlias = Mapping[str, Any]
_OURS: Final = frozenset(
    {
        "kafka_servers",
        "schema_registry_url",
        "schema_registry",
        "client_id",
        "transactional_id_prefix",
        "group_id",
        "event_store_url",  # of `eventplane.eventstore`, which is given the same dict
    }
)
_FIXED: Final[Mapping[str, frozenset[str]]] = {
    "acks": frozenset({"all", "-1"}),
    "enable.idempotence": frozenset({"true", "1"}),
    "enable.auto.commit": frozenset({"false", "0"}),
    "enable.auto.offset.store": frozenset({"false", "0"}),
}
"""Settings of librdkafka without which events are lost or come twice."""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """What a publisher or subscriber connects with."""

    client: Conf = field(repr=False)
    """Settings of librdkafka; `bootstrap.servers` is among them."""
    schema_registry: Conf | None = field(default=None, repr=False)
    """Settings of Confluent's SchemaRegistryClient, such as `url`; None: no schemas."""
    client_id: str = "eventplane"
    transactional_id_prefix: str | None = None
    """What transactional ids must begin with."""
    group_id: str | None = None
    topics: tuple[str, ...] = ()
    """What the binding lets the application have, names in Kafka."""

    def __post_init__(self) -> None:
        if not self.client.get("bootstrap.servers"):
            raise ConfigurationError("kafka_servers: say where Kafka is")
        for name, allowed in _FIXED.items():
            if name in self.client and str(self.client[name]).lower() not in allowed:
                raise ConfigurationError(f"{name}: leave it out, it is {min(allowed)} here")


def config_of(given: BrokerConfig | Conf) -> BrokerConfig:
    """Read a dict: the service's own keys, and settings of librdkafka by their own names, which have a dot or are one.

    | key | |
    |---|---|
    | `kafka_servers` | list of host:port, or one text; or `bootstrap.servers` |
    | `schema_registry_url` | base address of the registry |
    | `schema_registry` | settings of Confluent's SchemaRegistryClient instead: `url`, `basic.auth.user.info`, `ssl.*` |
    | `client_id`, `transactional_id_prefix`, `group_id` | |
    | `event_store_url` | for the event store; nobody asks for it here |

    Raises:
        ConfigurationError: a key that is unknown or has a value that cannot be.
    """
    if isinstance(given, BrokerConfig):
        return given
    unknown = [name for name in given if name not in _OURS and "." not in name and name not in _FIXED]
    if unknown:
        raise ConfigurationError(f"{', '.join(sorted(unknown))}: no key of a broker_config")
    client = {name: value for name, value in given.items() if name not in _OURS}
    servers = given.get("kafka_servers")
    if servers:
        client["bootstrap.servers"] = servers if isinstance(servers, str) else ",".join(servers)
    registry = given.get("schema_registry")
    if given.get("schema_registry_url"):
        registry = {**(registry or {}), "url": given["schema_registry_url"]}
    named = {name: given[name] for name in ("client_id", "transactional_id_prefix", "group_id") if given.get(name)}
    return BrokerConfig(client, registry, **named)


def config_from_environment(environment: Mapping[str, str] | None = None, binding: str = "kafka") -> BrokerConfig:
    """Read the binding that a pod has mounted: `$SERVICE_BINDING_ROOT/<binding>`, by default below /bindings.

    Raises:
        ConfigurationError: naming the file.
    """
    environment = os.environ if environment is None else environment
    try:
        bindings = binding_root(environment)
        found, own = read_binding(bindings / binding), own_credentials(bindings)
    except BindingError as error:
        raise ConfigurationError(str(error)) from error
    return BrokerConfig(
        {**found.client, **own},
        found.schema_registry,
        environment.get("HOSTNAME", "eventplane"),
        found.transactional_id_prefix,
        found.group,
        found.topics,
    )
