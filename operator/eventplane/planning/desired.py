"""Specs to desired state: every default, every name and every shorthand is resolved here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicSpec
from eventplane.api.quantities import milliseconds, size_bytes
from eventplane.planning.plan import Refusal, fingerprint

LEDGER_TOPIC: Final = "__eventplane_ownership"
CLEANUP: Final = "cleanup.policy"
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_NAME_MAX_LENGTH: Final = 249
_FORBIDDEN: Final = (nodes.For, nodes.Mul, nodes.Pow, nodes.Mod, nodes.Call, nodes.Macro)
_FILTERS: Final = ("default", "lower", "replace", "trim", "upper")


@dataclass(frozen=True, slots=True)
class DesiredTopic:
    """A topic as it shall be; what is None is the broker's choice."""

    topic: str
    partitions: int | None
    replication_factor: int | None
    config: Mapping[str, str]
    """Settings to be set on the topic itself."""
    left_alone: frozenset[str]
    """Settings that others may set as they like."""

    def fingerprint(self) -> str:
        """Reduce to a short text that changes when anything asked for changes."""
        return fingerprint(
            self.topic,
            str(self.partitions),
            str(self.replication_factor),
            *(f"{key}={value}" for key, value in sorted(self.config.items())),
            "left alone",
            *sorted(self.left_alone),
        )


def desire_topic(resource: EventTopic, bus: EventBus) -> DesiredTopic | Refusal:
    """Resolve what an EventTopic asks for on its bus.

    One that is being deleted asks for nothing that could be refused, else it could never go.
    """
    name = topic_name(resource, bus)
    if isinstance(name, Refusal):
        return name
    spec, defaults = resource.spec, bus.spec.defaults
    settings = settings_of(spec, bus)
    desired = DesiredTopic(
        topic=name,
        partitions=spec.partitions or defaults.partitions,
        replication_factor=spec.replication_factor or defaults.replication_factor,
        config={key: value for key, value in settings.items() if value is not None},
        left_alone=frozenset(key for key, value in settings.items() if value is None),
    )
    if resource.metadata.deleting:
        return desired
    return _said_twice(spec) or _contradiction(desired) or desired


def settings_of(spec: EventTopicSpec, bus: EventBus) -> Mapping[str, str | None]:
    """Resolve what an EventTopic says of settings; None: others may set it as they like."""
    return {
        **bus.spec.defaults.config,
        **_shorthands(spec),
        **spec.config,
        **dict.fromkeys(spec.unmanaged_config),
    }


def _said_twice(spec: EventTopicSpec) -> Refusal | None:
    twice = sorted(_shorthands(spec).keys() & set(spec.unmanaged_config))
    if not twice:
        return None
    return Refusal(
        Reason.INVALID_SPEC,
        f"retention or cleanup sets {', '.join(twice)} and unmanagedConfig leaves it alone: keep one of them",
    )


def _shorthands(spec: EventTopicSpec) -> dict[str, str]:
    settings = {}
    if spec.retention is not None and spec.retention.time is not None:
        settings["retention.ms"] = str(milliseconds(spec.retention.time))
    if spec.retention is not None and spec.retention.size is not None:
        settings["retention.bytes"] = str(size_bytes(spec.retention.size))
    if spec.cleanup is not None:
        settings[CLEANUP] = ",".join(sorted(spec.cleanup))
    return settings


def _contradiction(desired: DesiredTopic) -> Refusal | None:
    """Refuse a topic to which nobody could write with acks=all."""
    in_sync = desired.config.get("min.insync.replicas", "")
    if in_sync.isdecimal() and desired.replication_factor is not None and int(in_sync) > desired.replication_factor:
        return Refusal(
            Reason.INVALID_SPEC,
            f"min.insync.replicas={in_sync} is more than replicationFactor {desired.replication_factor},"
            " so no write with acks=all could succeed: lower the one or raise the other",
        )
    return None


def topic_name(resource: EventTopic, bus: EventBus) -> str | Refusal:
    """Name the topic of a resource: what it says, else its name so far, else what the bus's template says.

    A name once given stays: changing the template of a bus moves no topic.
    """
    name = resource.spec.topic_name or resource.status.topic_name or _render_name(resource, bus)
    return _unusable(name) or name if isinstance(name, str) else name


def _render_name(resource: EventTopic, bus: EventBus) -> str | Refusal:
    metadata = resource.metadata
    try:
        return _template(bus.spec.naming.topic).render(
            namespace=metadata.namespace, name=metadata.name, labels=metadata.labels
        )
    except Exception as error:  # noqa: BLE001 - whatever a template raises is a fault of the template
        return Refusal(
            Reason.INVALID_NAME,
            f"the naming template {bus.spec.naming.topic!r} of EventBus {'/'.join(bus.metadata.key)} cannot name this"
            f" topic ({error}): correct the template, or create the EventTopic with a topicName",
        )


@lru_cache(maxsize=256)
def _template(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    # a name must come out the same each time and soon: no random, no loops, nothing that multiplies
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    tree = environment.parse(source)
    for forbidden in (found for kind in _FORBIDDEN for found in tree.find_all(kind)):
        raise jinja2.TemplateSyntaxError(f"{type(forbidden).__name__} is not allowed", forbidden.lineno)
    return environment.from_string(source)


def _unusable(name: str) -> Refusal | None:
    """Refuse what Kafka does not take as a topic name (org.apache.kafka.common.internals.Topic), or keeps to itself."""
    if name.startswith("__"):
        return Refusal(
            Reason.INTERNAL_TOPIC,
            f"topic {name} belongs to Kafka or to Eventplane: create an EventTopic whose topic has no leading __",
        )
    if not 0 < len(name) <= _NAME_MAX_LENGTH or not _NAME_CHARACTERS.issuperset(name) or name in {".", ".."}:
        return Refusal(
            Reason.INVALID_NAME,
            f"Kafka takes no topic named {name[: _NAME_MAX_LENGTH + 1]!r}: a name has 1 to {_NAME_MAX_LENGTH} letters,"
            " digits, dots, underscores and hyphens; correct the bus's naming template, or create the EventTopic with"
            " such a topicName",
        )
    return None
