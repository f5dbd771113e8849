"""Whether what a Subscription says of its delivery makes sense, found out before an event comes."""

from typing import Any, Final
from urllib.parse import urlsplit

from eventplane.api.conditions import Reason
from eventplane.api.subscription import SubscriptionSpec
from eventplane.events.addresses import why_no_service
from eventplane.events.subscribed import expression_fault
from eventplane.planning.plan import Refusal

_NO_CALL: Final[dict[str, Any]] = {"callable": "", "timeout": "", "batch": None}
"""What of a function is not its container's."""


def refuse_delivery(spec: SubscriptionSpec) -> Refusal | None:
    """Say what of a Subscription's delivery cannot be done; what is wrong with an expression, with line and column."""
    checks = (_no_transactions, _no_deduplication, _no_service, _no_idle_route, _no_second_image)
    refusal = next((found for check in checks if (found := check(spec)) is not None), None)
    if refusal is not None:
        return refusal
    routes = spec.routes.to if spec.routes is not None else ()
    fault = expression_fault(spec.filter, spec.transform, routes, spec.lookups)
    return None if fault is None else Refusal(Reason.EXPRESSION_INVALID, f"correct spec.{fault[0]}: {fault[1]}")


def sink_field(route: str) -> str:
    """Name the field of a sink: that of a route, or the only one."""
    return f"routes.to[{route}].sink" if route else "sink"


def _no_transactions(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse ExactlyOnce but from topic to topic: nowhere else can one transaction hold what is read and written."""
    if spec.delivery.guarantee != "ExactlyOnce" or (spec.sink is not None and spec.sink.topic_ref is not None):
        return None
    if spec.routes is not None:
        advice = "routes have no transactions: set AtLeastOnce, or make a Subscription with one topicRef for each route"
    elif spec.sink is not None:
        who = "a service" if spec.sink.http is not None else "a function"
        advice = f"{who} cannot take part in a transaction: set AtLeastOnce, and let it know events by their id"
    else:
        advice = "a container of your own begins its transactions itself: set AtLeastOnce, or use sink.topicRef"
    return Refusal(Reason.INVALID_SPEC, f"delivery.guarantee ExactlyOnce is for sink.topicRef; {advice}")


def _no_deduplication(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse to keep back events from a container that reads them from Kafka itself."""
    if spec.delivery.deduplicate is None or spec.sinks:
        return None
    return Refusal(
        Reason.INVALID_SPEC,
        "delivery.deduplicate is for a sink; a container of your own reads every record: take it out, and let the "
        "container know events by their id",
    )


def _no_service(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse a URL that leads to no service; where a name leads is looked at when it is resolved."""
    urls = {sink_field(route): sink.http.url for route, sink in spec.sinks.items() if sink.http is not None}
    urls |= {f"lookups[{each.name}]": each.http.url for each in spec.lookups if each.http is not None}
    refusals = (_why_no_service(url, field) for field, url in urls.items())
    refusal = next((each for each in refusals if each is not None), None)
    return None if refusal is None else Refusal(Reason.INVALID_SPEC, refusal)


def _why_no_service(url: str, field: str) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if not host:
        return f"{field}.http.url is no URL: correct its host, or its port"
    refusal = why_no_service(host, in_pod=True)
    return None if refusal is None else f"correct {field}.http.url: {refusal}"


def _no_idle_route(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse a route behind one that takes all: it would never get an event."""
    if spec.routes is None or spec.routes.match == "All":
        return None
    greedy = next((route.name for route in spec.routes.to[:-1] if route.filter is None), None)
    if greedy is None:
        return None
    text = f"with match First, route {greedy} has no filter and takes all events: give it one, or put it last"
    return Refusal(Reason.INVALID_SPEC, text)


def _no_second_image(spec: SubscriptionSpec) -> Refusal | None:
    """Refuse functions of routes that cannot be in one container."""
    functions = [sink.python for sink in spec.sinks.values() if sink.python is not None]
    containers = [each.model_copy(update=_NO_CALL) for each in functions]
    if all(each == containers[0] for each in containers):
        return None
    text = "routes with python run in one container: give them the same image, env, envFromSecrets, imagePullSecrets"
    return Refusal(Reason.INVALID_SPEC, f"{text} and resources, or make a Subscription for each")
