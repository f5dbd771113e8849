"""Whether what a Subscription says of its delivery makes sense, found out before an event comes."""

from eventplane.api.conditions import Reason
from eventplane.api.subscription import SubscriptionSpec
from eventplane.events.expressions import ExpressionError
from eventplane.events.subscribed import compile_filter, compile_transform
from eventplane.planning.plan import Refusal


def refuse_delivery(spec: SubscriptionSpec) -> Refusal | None:
    """Say what of a Subscription's delivery cannot be done; what is wrong with an expression, with line and column."""
    if spec.delivery.guarantee == "ExactlyOnce":
        text = "delivery.guarantee ExactlyOnce is not available yet: set it to AtLeastOnce"
        return Refusal(Reason.INVALID_SPEC, text)
    if spec.delivery.deduplicate is not None:
        return Refusal(Reason.INVALID_SPEC, "delivery.deduplicate is not available yet: take it out")
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
