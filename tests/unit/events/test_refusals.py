"""What a consumer refuses to do, and that it names the field."""

from __future__ import annotations

from typing import Any

import pytest

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.refusals import refusals

GOOD: dict[str, Any] = {
    "namespace": "shop",
    "name": "emails",
    "group": "g",
    "topics": ["orders"],
    "retry": {"attempts": 2, "deadLetterTopic": "dlq", "tiers": [{"topic": "r1", "delayMs": 1}]},
    "http": {"url": "http://emails/"},
}
ONCE = {"guarantee": "ExactlyOnce"}
TO_TOPIC = {"http": None, "topic": {"topic": "out"}, "delivery": ONCE, "transactionalIdPrefix": "shop."}
REGISTRY = {"schemaRegistryUrl": "http://registry", "majors": {"orders": 2}}

LOOKUP = {"name": "rate", "key": "event.key"}
IN_TOPIC, IN_SERVICE = {"topic": {"topic": "rates"}}, {"http": {"url": "http://rates/{key}"}}


def routed(*to: dict[str, Any]) -> dict[str, Any]:
    return {"http": None, "routes": {"match": "All", "to": to}}


ROUTED = routed({"name": "a", "http": {"url": "http://a"}}, {"name": "b", "topic": {"topic": "out"}})


def test_nothing_against_what_can_be_done() -> None:
    assert refusals(RuntimeConfig.model_validate(GOOD)) == ()
    assert refusals(RuntimeConfig.model_validate({**GOOD, **REGISTRY})) == ()
    assert refusals(RuntimeConfig.model_validate({**GOOD, **TO_TOPIC})) == ()
    assert refusals(RuntimeConfig.model_validate({**GOOD, **ROUTED})) == ()
    assert refusals(RuntimeConfig.model_validate({**GOOD, "lookups": [{**LOOKUP, **IN_SERVICE}]})) == ()
    assert refusals(RuntimeConfig.model_validate({**GOOD, **TO_TOPIC, "lookups": [{**LOOKUP, **IN_TOPIC}]})) == ()
    assert refusals(RuntimeConfig.model_validate({**GOOD, "http": None, "python": {"callable": "m:f"}})) == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"http": None}, "http, python, topic:", id="no sink"),
        pytest.param({"topic": {"topic": "out"}}, "http, python, topic:", id="two sinks"),
        pytest.param({"python": {"callable": "m:f"}}, "http, python, topic:", id="a service and a function"),
        pytest.param({"delivery": ONCE}, "delivery.guarantee:", id="exactly once to a service"),
        pytest.param(
            {"delivery": ONCE, "http": None, "python": {"callable": "m:f"}},
            "delivery.guarantee:",
            id="exactly once to a function",
        ),
        pytest.param(
            {"delivery": ONCE, "http": None, "topic": {"topic": "out"}},
            "transactionalIdPrefix:",
            id="exactly once without transactions",
        ),
        pytest.param({"retry": {**GOOD["retry"], "attempts": 3}}, "retry.tiers:", id="a wait too few"),
        pytest.param({"retry": {**GOOD["retry"], "deadLetterTopic": None}}, "retry.tiers:", id="tiers without an end"),
        pytest.param({"topics": ["orders", "dlq"]}, "topics: dlq would", id="reads its own dead letters"),
        pytest.param({"http": None, "topic": {"topic": "orders"}}, "topics: orders would", id="writes what it reads"),
        pytest.param({"majors": {"orders": 2}}, "majors:", id="majors without a registry"),
        pytest.param(
            {**REGISTRY, "http": None, "topic": {"topic": "out"}}, "majors:", id="majors to a topic as written"
        ),
        pytest.param({**ROUTED, "http": {"url": "http://x"}}, "routes:", id="routes and a sink"),
        pytest.param(routed({"name": "a"}), "routes.to[a].http, python, topic:", id="a route to nowhere"),
        pytest.param({**ROUTED, "delivery": ONCE}, "delivery.guarantee:", id="routes exactly once"),
        pytest.param({**ROUTED, "transform": "event.data"}, "transform: with routes", id="one transform for all"),
        pytest.param(routed({"name": "a", "topic": {"topic": "orders"}}), "topics: orders", id="a route in a circle"),
        pytest.param(
            routed({"name": "a", "filter": "event.type ==", "topic": {"topic": "out"}}),
            "routes.to[a].filter: line 1",
            id="an expression of a route that is none",
        ),
        pytest.param({"lookups": [LOOKUP]}, "lookups[rate]: name exactly one", id="a look-up in nothing"),
        pytest.param(
            {"lookups": [{**LOOKUP, **IN_TOPIC, **IN_SERVICE}]}, "lookups[rate]: name exactly one", id="in both"
        ),
        pytest.param(
            {**TO_TOPIC, "lookups": [{**LOOKUP, **IN_SERVICE}]}, "lookups[rate].http:", id="a transaction that waits"
        ),
        pytest.param(
            {"lookups": [{**LOOKUP, **IN_TOPIC}], "filter": "lookups.typo"},
            "filter: line 1, column 8",
            id="a look-up that is not declared",
        ),
        pytest.param({"filter": "event.type =="}, "filter: line 1", id="an expression that is none"),
    ],
)
def test_refusal(change: dict[str, Any], field: str) -> None:
    found = refusals(RuntimeConfig.model_validate({**GOOD, **change}))
    assert len(found) == 1
    assert found[0].startswith(field)
