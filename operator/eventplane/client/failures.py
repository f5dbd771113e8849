"""What becomes of an event whose handler failed, said as the consumer runtime is told it."""

from eventplane.api.dead_letter_policy import Retry
from eventplane.api.runtime_config import RetryRules, RetryTier
from eventplane.events.waits import child_names, waits_ms


def rules_of(retry: Retry, group: str, dead_letter_topic: str | None) -> RetryRules:
    """Return the rules of a policy, with topics named as the control plane names them.

    Args:
        retry: how often, how long, and whether in place or in topics.
        group: the consumer group, `<namespace>.<name>` of a Subscription.
        dead_letter_topic: where the rest ends; None: nothing is given up.
    """
    waits = waits_ms(retry)
    topics = dict(zip(sorted(set(waits)), child_names(group, retry)[1:], strict=False))
    in_topics = retry.strategy == "RetryTopics"
    return RetryRules(
        attempts=retry.attempts,
        delays_ms=waits,
        jitter_percent=0 if in_topics else retry.backoff.jitter_percent,
        tiers=tuple(RetryTier(topic=topics[wait], delay_ms=wait) for wait in waits) if in_topics else (),
        give_up_on=retry.give_up_on,
        dead_letter_topic=dead_letter_topic,
    )
