"""What a subscriber is asked for, said as the consumer runtime is told it, and what of it cannot be."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import ValidationError

from eventplane.api.dead_letter_policy import Retry
from eventplane.api.model import field_problems
from eventplane.api.runtime_config import RetryRules, RetryTier, RuntimeConfig
from eventplane.client.errors import ConfigurationError
from eventplane.events.refusals import refusals
from eventplane.events.waits import child_names, waits_ms

RetryPolicy: TypeAlias = Retry | Mapping[str, Any]
"""How often, how long, and whether in place or in topics, as in a DeadLetterPolicy."""


def consumer_config(group: str, retry: RetryRules, **told: Any) -> RuntimeConfig:
    """Return what the core of every consumer is told.

    Args:
        group: the consumer group; one of a Subscription is `<namespace>.<name>`.
        retry: what becomes of failures.
        told: the other fields of a RuntimeConfig.

    Raises:
        ConfigurationError: naming the field.
    """
    namespace, _dot, name = group.rpartition(".")
    fields = {"namespace": namespace, "name": name, "group": group, "retry": retry, **told}
    try:
        return checked(RuntimeConfig.model_validate(fields))
    except ValidationError as error:
        raise ConfigurationError(field_problems(error)) from None


def checked(config: RuntimeConfig) -> RuntimeConfig:
    """Return a configuration that can be carried out; raises ConfigurationError."""
    found = [*_start_fault(config.start_from), *refusals(config, has_handlers=True)]
    if found:
        raise ConfigurationError("; ".join(found))
    return config


def retry_rules(retry: RetryPolicy, group: str, dead_letter_topic: str | None) -> RetryRules:
    """Return the rules of a policy, with topics named as the control plane names them.

    Args:
        retry: the policy.
        group: the consumer group.
        dead_letter_topic: where the rest ends, `{group}` in it is the group; None: nothing is given up.

    Raises:
        ConfigurationError: naming the field.
    """
    try:
        policy = retry if isinstance(retry, Retry) else Retry.model_validate(retry)
    except ValidationError as error:
        raise ConfigurationError(field_problems(error, "retry.")) from None
    waits = waits_ms(policy)
    topics = dict(zip(sorted(set(waits)), child_names(group, policy)[1:], strict=False))
    in_topics = policy.strategy == "RetryTopics"
    return RetryRules(
        attempts=policy.attempts,
        delays_ms=waits,
        jitter_percent=0 if in_topics else policy.backoff.jitter_percent,
        tiers=tuple(RetryTier(topic=topics[wait], delay_ms=wait) for wait in waits) if in_topics else (),
        give_up_on=policy.give_up_on,
        dead_letter_topic=None if dead_letter_topic is None else dead_letter_topic.replace("{group}", group),
    )


def _start_fault(start_from: str) -> Iterable[str]:
    if start_from not in {"Earliest", "Latest"}:
        try:
            datetime.fromisoformat(start_from)
        except ValueError:
            yield "start_from: it is Earliest, Latest, or a time as RFC 3339 has it"
