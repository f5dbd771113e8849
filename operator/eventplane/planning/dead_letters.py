"""A Subscription and its DeadLetterPolicy to what they become: EventTopics, rights to them, and rules of retrying.

The EventTopics are made and owned like any other (ADR 19): the Subscription only asks for them. What a policy does not
ask for any more is let go when nothing has waited in it for a while, and not before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from eventplane.api import SUBSCRIPTION_LABEL
from eventplane.api.conditions import Reason
from eventplane.api.dead_letter_policy import DeadLetterPolicy, Retry
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.quantities import milliseconds
from eventplane.api.runtime_config import RetryRules, RetryTier
from eventplane.api.subscription import Subscription
from eventplane.events.waits import child_names, waits_ms
from eventplane.planning.access_desired import Topics, topic_to_grant
from eventplane.planning.access_state import Grant
from eventplane.planning.dead_letter_topics import (
    ChildRole,
    children_of,
    delay_of,
    name_label,
    role_of,
    topic_manifests,
)
from eventplane.planning.plan import Refusal

Policy: TypeAlias = DeadLetterPolicy | Refusal | None
"""A policy as it is looked up: why it is not understood, or None where there is none of that name."""

_NAME_LENGTH: Final = 253


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What becomes of a Subscription's failures."""

    manifests: tuple[Mapping[str, Any], ...] = ()
    """The EventTopics to be applied, the dead-letter topic first."""
    kept: tuple[str, ...] = ()
    """EventTopics that nothing asks for any more and that must neither be changed nor be deleted yet, in order."""
    grants: frozenset[Grant] = frozenset()
    """What the Subscription's user may do with those that have been made, where the bus asks for credentials."""
    missing: tuple[Refusal, ...] = ()
    """Why it cannot start yet, or not go on with the policy as it is now."""
    rules: RetryRules | None = None
    """What the consumer is told; None while something is missing: it goes on as it was told before."""


def desire_dead_letters(
    subscription: Subscription,
    policy: Policy,
    bus: EventBus,
    sources: Topics,
    siblings: Iterable[EventTopic],
    drained: Collection[str] = (),
) -> DeadLetters:
    """Resolve what a Subscription asks for by its policy.

    | the Subscription names | policy                      | manifests | kept               | missing        |
    |------------------------|-----------------------------|-----------|--------------------|----------------|
    | no policy              |                             | none      | what is not drained|                |
    | a policy               | does not exist              | none      | all that there is  | PolicyNotFound |
    | a policy               | contradicts itself          | none      | all that there is  | InvalidSpec    |
    | a policy               | makes a name too long       | none      | all that there is  | InvalidName    |
    | a policy               | names somebody else's topic | none      | all that there is  | OwnedByAnother |
    | a policy               | sound                       | its own   | what is not drained| TopicNotReady  |

    Args:
        subscription: who asks.
        policy: the policy that it names.
        bus: where.
        sources: the EventTopics that it reads.
        siblings: the EventTopics of its namespace.
        drained: names in Kafka of topics in which nothing has waited for a while; none while pods may be at work that
            were told of an older policy.
    """
    siblings = list(siblings)
    children = children_of(subscription, siblings)
    if subscription.spec.dead_letter_policy_ref is None:
        kept = _leftovers(children, (), drained)
        return DeadLetters(
            kept=_names(kept), grants=dead_letter_grants(kept, bus), rules=try_for_ever(_tiers(kept, bus))
        )
    if not isinstance(policy, DeadLetterPolicy):
        return _as_before(children, bus, _unusable(subscription, policy))
    asked = child_names(subscription.metadata.name, policy.spec.retry)
    refusal = (
        policy_problem(policy)
        or _bad_name(subscription, asked)
        or _contested(subscription, asked, _names(children), siblings)
    )
    if refusal is not None:
        return _as_before(children, bus, refusal)
    kept = _leftovers(children, asked, drained)
    made = [each for each in children if each.metadata.name in asked and topic_to_grant(each, bus) is not None]
    missing = tuple(_not_made(subscription, name, bus) for name in asked if name not in _names(made))
    return DeadLetters(
        manifests=tuple(topic_manifests(subscription, policy.spec, bus, sources, children)),
        kept=_names(kept),
        grants=dead_letter_grants([*made, *kept], bus),
        missing=missing,
        rules=None if missing else retry_rules(policy.spec.retry, made, kept, bus),
    )


def policy_problem(policy: DeadLetterPolicy) -> Refusal | None:
    """Tell what a policy contradicts itself in; CEL cannot compare durations that have days."""
    spec, name = policy.spec, f"DeadLetterPolicy {'/'.join(policy.metadata.key)}"
    backoff = spec.retry.backoff
    if milliseconds(backoff.initial) > milliseconds(backoff.max):
        text = (
            f"the first wait, backoff.initial {backoff.initial}, is longer than the longest, backoff.max {backoff.max}"
        )
        return Refusal(Reason.INVALID_SPEC, f"{name}: {text}: make the one shorter or the other longer")
    if milliseconds(spec.dead_letter.retention) == 0:
        text = "deadLetter.retention 0 would keep no dead letter: say for how long they are to be kept"
        return Refusal(Reason.INVALID_SPEC, f"{name}: {text}")
    return None


# --- rules


def retry_rules(retry: Retry, made: Sequence[EventTopic], kept: Sequence[EventTopic], bus: EventBus) -> RetryRules:
    """Say it to the consumer.

    Args:
        retry: what is tried again.
        made: the EventTopics that the policy asks for, all of which have been made.
        kept: those that it does not ask for any more.
        bus: where they are.
    """
    dead_letter = next(each for each in made if role_of(each) == "dead-letter")
    tiers = {tier.delay_ms: tier for tier in _tiers(made, bus)}
    waits = waits_ms(retry)
    return RetryRules(
        attempts=retry.attempts,
        delays_ms=waits,
        jitter_percent=retry.backoff.jitter_percent if retry.strategy == "Blocking" else 0,
        tiers=tuple(tiers[wait] for wait in waits) if retry.strategy == "RetryTopics" else (),
        draining=_tiers(kept, bus),
        give_up_on=retry.give_up_on,
        dead_letter_topic=topic_to_grant(dead_letter, bus),
    )


def try_for_ever(draining: tuple[RetryTier, ...] = ()) -> RetryRules:
    """Try everything for ever, in place, with the waits that a policy has by default; the last of them repeats."""
    waits = waits_ms(Retry())
    return RetryRules(
        attempts=len(waits) + 1,
        delays_ms=waits,
        jitter_percent=Retry().backoff.jitter_percent,
        draining=draining,
    )


def _tiers(topics: Iterable[EventTopic], bus: EventBus) -> tuple[RetryTier, ...]:
    found = ((topic_to_grant(topic, bus), delay_of(topic)) for topic in topics if role_of(topic) == "retry")
    return tuple(
        RetryTier(topic=name, delay_ms=delay) for name, delay in found if name is not None and delay is not None
    )


# --- what is granted, what is missing, what stays


def dead_letter_grants(children: Iterable[EventTopic], bus: EventBus) -> frozenset[Grant]:
    """Grant writing to dead-letter topics, and reading from and writing to retry topics."""
    operations: Mapping[ChildRole, tuple[str, ...]] = {"dead-letter": ("WRITE",), "retry": ("READ", "WRITE")}
    names = ((topic_to_grant(child, bus), operations[role_of(child)]) for child in children)
    return frozenset(Grant("TOPIC", name, each) for name, those in names if name is not None for each in those)


def _leftovers(
    children: Iterable[EventTopic], asked: Collection[str], drained: Collection[str]
) -> tuple[EventTopic, ...]:
    """Find those that nothing asks for any more and that may hold something; one never made never did."""
    return tuple(
        child
        for child in children
        if child.metadata.name not in asked
        and child.status.topic_name is not None
        and child.status.topic_name not in drained
    )


def _as_before(children: Sequence[EventTopic], bus: EventBus, refusal: Refusal) -> DeadLetters:
    return DeadLetters(kept=_names(children), grants=dead_letter_grants(children, bus), missing=(refusal,))


def _unusable(subscription: Subscription, policy: Refusal | None) -> Refusal:
    ref, namespace = subscription.spec.dead_letter_policy_ref, subscription.metadata.namespace
    name = f"DeadLetterPolicy {namespace}/{ref.name if ref is not None else ''}"
    if policy is not None:
        return Refusal(policy.reason, f"{name}: {policy.message}")
    text = f"{name} does not exist: create it, or name another in deadLetterPolicyRef"
    return Refusal(Reason.POLICY_NOT_FOUND, text)


def _bad_name(subscription: Subscription, asked: Iterable[str]) -> Refusal | None:
    if all(len(name) <= _NAME_LENGTH for name in asked):
        return None
    text = f"the name of Subscription {'/'.join(subscription.metadata.key)} is too long for its EventTopics, which add"
    return Refusal(Reason.INVALID_NAME, f"{text} .dlq and .retry-<wait> to it: create another with a shorter one")


def _contested(
    subscription: Subscription, asked: Collection[str], ours: Collection[str], siblings: Iterable[EventTopic]
) -> Refusal | None:
    metadata = subscription.metadata
    theirs = (topic.metadata for topic in siblings if topic.metadata.namespace == metadata.namespace)
    taken = sorted(other.name for other in theirs if other.name in asked and other.name not in ours)
    if not taken:
        return None
    text = f"EventTopic {metadata.namespace}/{taken[0]} exists and was not made for Subscription {metadata.name}"
    label = f"{SUBSCRIPTION_LABEL}={name_label(metadata.name)}"
    return Refusal(Reason.OWNED_BY_ANOTHER, f"{text}: delete it, or label it {label} to hand it over")


def _not_made(subscription: Subscription, name: str, bus: EventBus) -> Refusal:
    where = "/".join(bus.metadata.key)
    text = f"EventTopic {subscription.metadata.namespace}/{name} has not been made on EventBus {where} yet: its status"
    return Refusal(Reason.TOPIC_NOT_READY, f"{text} says why")


def _names(topics: Iterable[EventTopic]) -> tuple[str, ...]:
    return tuple(topic.metadata.name for topic in topics)
