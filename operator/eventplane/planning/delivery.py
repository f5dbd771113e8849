"""Whether what a Subscription says of its delivery makes sense, found out before an event comes."""

from eventplane.api.conditions import Reason
from eventplane.api.subscription import SubscriptionSpec
from eventplane.events.expressions import ExpressionError
from eventplane.events.subscribed import compile_filter, compile_transform
from eventplane.planning.plan import Refusal


def refuse_delivery(spec: SubscriptionSpec) -> Refusal | None:
    """Say what of a Subscription's delivery cannot be done; what is wrong with an expression, with line and column."""
    refusal = _no_transactions(spec) or _no_deduplication(spec)
    if refusal is not None:
        return refusal
    for field, source, compile_it in (
        ("filter", spec.filter, compile_filter),
        ("transform", spec.transform, compile_transform),
    ):
        try:
            if source is not None:
                compile_it(source)
        except ExpressionError as error:
            return Refusal(Reason.EXPRESSION_INVALID, f"correct spec.{field}: {error}")
    return None


def _no_transactions(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse ExactlyOnce but from topic to topic: nowhere else can one transaction hold what is read and written."""
    if spec.delivery.guarantee != "ExactlyOnce" or (spec.sink is not None and spec.sink.topic_ref is not None):
        return None
    if spec.sink is not None:
        who = "a service" if spec.sink.http is not None else "a function"
        advice = f"{who} cannot take part in a transaction: set AtLeastOnce, and let it know events by their id"
    else:
        advice = "a container of your own begins its transactions itself: set AtLeastOnce, or use sink.topicRef"
    return Refusal(Reason.INVALID_SPEC, f"delivery.guarantee ExactlyOnce is for sink.topicRef; {advice}")


def _no_deduplication(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse to keep back events from a container that reads them from Kafka itself."""
    if spec.delivery.deduplicate is None or spec.sink is not None:
        return None
    return Refusal(
        Reason.INVALID_SPEC,
        "delivery.deduplicate is for a sink; a container of your own reads every record: take it out, and let the "
        "container know events by their id",
    )
