"""What a consumer is asked for and cannot do: said at the start, naming the field, rather than left out silently."""

from collections.abc import Callable
from typing import Final, TypeAlias

from eventplane.api.runtime_config import Destination, RuntimeConfig
from eventplane.events.subscribed import expression_fault

Check: TypeAlias = Callable[[RuntimeConfig], str | None]


def refusals(config: RuntimeConfig, *, has_handlers: bool = False) -> tuple[str, ...]:
    """Return what stands against running with a configuration; nothing where it can be done.

    Args:
        config: what is asked for.
        has_handlers: whether an application's own functions are the sink, so that none is named.
    """
    checks = (check for check in _CHECKS if not (has_handlers and check is _one_sink))
    return tuple(found for check in checks if (found := check(config)) is not None)


def _one_sink(config: RuntimeConfig) -> str | None:
    if config.routes is not None and _sinks(config):
        return "routes: they are there instead of http, python and topic"
    wrong = [name for name, each in config.destinations.items() if len(_sinks(each)) != 1]
    return None if not wrong else f"{_field(wrong[0])}http, python, topic: name exactly one of them"


def _sinks(destination: Destination) -> list[object]:
    return [each for each in (destination.http, destination.python, destination.topic) if each is not None]


def _field(route: str) -> str:
    """Begin the name of a field of a route; a sole destination is one of the configuration itself."""
    return f"routes.to[{route}]." if route else ""


def _transactions_are_possible(config: RuntimeConfig) -> str | None:
    if config.delivery.guarantee != "ExactlyOnce":
        return None
    if config.routes is not None:
        return "delivery.guarantee: ExactlyOnce is for one sink, a topic, and not for routes: use AtLeastOnce"
    if config.topic is None:
        return "delivery.guarantee: ExactlyOnce is for a sink that is a topic: use AtLeastOnce"
    if config.transactional_id_prefix is None:
        return "transactionalIdPrefix: ExactlyOnce writes in transactions, whose ids begin with it"
    return None


def _waits_fit(config: RuntimeConfig) -> str | None:
    rules = config.retry
    if rules.tiers and len(rules.tiers) != rules.attempts - 1:
        return f"retry.tiers: {rules.attempts} attempts have {rules.attempts - 1} waits, not {len(rules.tiers)}"
    return None


def _tiers_end(config: RuntimeConfig) -> str | None:
    if config.retry.tiers and config.retry.dead_letter_topic is None:
        return "retry.tiers: they need a deadLetterTopic, where the last of them leads"
    return None


def _no_circle(config: RuntimeConfig) -> str | None:
    written = {tier.topic for tier in config.retry.tiers} | {config.retry.dead_letter_topic}
    written |= {each.topic.topic for each in config.destinations.values() if each.topic is not None}
    circle = sorted(set(config.topics) & written - {None})
    return f"topics: {', '.join(circle)} would be written to as well, a circle" if circle else None


def _majors_are_readable(config: RuntimeConfig) -> str | None:
    if config.majors and config.schema_registry_url is None:
        return "majors: without a schemaRegistryUrl nobody can tell the major version of an event"
    return None


def _majors_are_delivered(config: RuntimeConfig) -> str | None:
    ways = config.routes.to if config.routes is not None else (config,)
    if config.majors and any(way.topic is not None and way.transform is None for way in ways):
        return "majors: a topic gets data as they were written, unless there is a transform, such as event.data"
    return None


def _routes_transform(config: RuntimeConfig) -> str | None:
    if config.routes is not None and config.transform is not None:
        return "transform: with routes each of them has its own"
    return None


def _lookups_are_possible(config: RuntimeConfig) -> str | None:
    wrong = [each.name for each in config.lookups if (each.topic is None) == (each.http is None)]
    if wrong:
        return f"lookups[{wrong[0]}]: name exactly one of topic and http"
    asked = [each.name for each in config.lookups if each.http is not None]
    if asked and config.delivery.guarantee == "ExactlyOnce":
        return f"lookups[{asked[0]}].http: a transaction waits for no service: use topic, or AtLeastOnce"
    return None


def _expressions_compile(config: RuntimeConfig) -> str | None:
    routes = config.routes.to if config.routes is not None else ()
    fault = expression_fault(config.filter, config.transform, routes, config.lookups)
    return None if fault is None else f"{fault[0]}: {fault[1]}"


_CHECKS: Final[tuple[Check, ...]] = (
    _one_sink,
    _transactions_are_possible,
    _waits_fit,
    _tiers_end,
    _no_circle,
    _majors_are_readable,
    _majors_are_delivered,
    _routes_transform,
    _lookups_are_possible,
    _expressions_compile,
)
