"""Whom gateways let in, how fast those may publish, and what their resources say of it."""

from typing import Any, Final

import pytest
from builders import TOPIC, event_bus, event_topic, publication, settled, subscription

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.gateway import Gateway
from eventplane.api.gateway_config import Grant, Grants
from eventplane.planning.gateway_callers import callers_of, callers_verdict, lets_service_accounts_in

WEB: Final = "system:serviceaccount:shop:web"
NAMED: Final = {"service_accounts": [{"name": "web"}]}
ADA: Final = {"oidc_subjects": [{"issuer": "people", "subject": "ada"}]}
STRANGER: Final = {"oidc_subjects": [{"issuer": "strangers", "subject": "eve"}]}
ORDERS: Final = {"orders": settled(event_topic())}


def bus(**gateway: Any) -> EventBus:
    """Return a bus with a gateway that believes the issuer people."""
    oidc = [{"name": "people", "issuer": "https://people.example"}]
    told = {"tls": {"secretRef": {"name": "certificate"}}, "oidc": oidc} | gateway
    return event_bus(gateway=Gateway.model_validate(told))


@pytest.mark.parametrize(
    ("resource", "topics", "granted"),
    [
        pytest.param(publication(), ORDERS, None, id="it names nobody"),
        pytest.param(publication(gateway=NAMED, deleting=True), ORDERS, None, id="it is on its way out"),
        pytest.param(publication(gateway=NAMED, mode="Plan"), ORDERS, None, id="it writes nothing unapproved"),
        pytest.param(publication(gateway=NAMED, mode="Observe"), ORDERS, None, id="it writes nothing"),
        pytest.param(publication(gateway=NAMED), {"orders": None}, None, id="its topic does not exist"),
        pytest.param(publication(gateway=NAMED), {"orders": event_topic()}, None, id="its topic was not made"),
        pytest.param(publication(gateway=STRANGER), ORDERS, None, id="the bus does not know the issuer"),
        pytest.param(publication(gateway=NAMED), ORDERS, (WEB, (TOPIC,), ()), id="a Publication publishes"),
        pytest.param(subscription(gateway=NAMED), ORDERS, (WEB, (), (TOPIC,)), id="a Subscription reads"),
        pytest.param(publication(gateway=ADA), ORDERS, ("people:ada", (TOPIC,), ()), id="somebody of an issuer"),
    ],
)
def test_callers_may_what_their_resource_may(resource: Access, topics: Any, granted: Any) -> None:
    grants = callers_of(bus(), [(resource, topics)]).grants
    assert [(each.identity, each.publish, each.subscribe) for each in grants] == ([granted] if granted else [])


def test_one_caller_of_several_resources_has_all_their_rights_and_nobody_elses_namespace() -> None:
    there = publication("other", "elsewhere", gateway=NAMED)
    those = [(publication(gateway=NAMED), ORDERS), (subscription(gateway=NAMED), ORDERS), (there, ORDERS)]
    assert callers_of(bus(), those).grants == (
        Grant(identity="system:serviceaccount:elsewhere:web", publish=(TOPIC,)),
        Grant(identity=WEB, publish=(TOPIC,), subscribe=(TOPIC,)),
    )


def test_both_kinds_of_callers_are_let_in_each_at_the_rate_that_the_bus_says() -> None:
    rates = [{"identity": "people:ada", "eventsPerSecond": 9}, {"identity": "people:bob", "eventsPerSecond": 8}]
    found = callers_of(bus(rates=rates), [(publication(gateway=NAMED | ADA), ORDERS)])
    assert found.grants == (
        Grant(identity="people:ada", publish=(TOPIC,), events_per_second=9),
        Grant(identity=WEB, publish=(TOPIC,)),
    )


def test_nobody_of_an_issuer_is_let_in_where_there_is_no_gateway_any_more() -> None:
    assert callers_of(event_bus(), [(publication(gateway=ADA), ORDERS)]) == Grants()


@pytest.mark.parametrize(("identity", "is_one"), [(WEB, True), ("people:ada", False)])
def test_service_accounts_are_told_from_others(identity: str, is_one: bool) -> None:  # noqa: FBT001 - a table
    assert lets_service_accounts_in(Grants(grants=(Grant(identity=identity),))) is is_one


@pytest.mark.parametrize(
    ("callers", "home", "reason", "words"),
    [
        pytest.param(None, bus(), None, "", id="nobody is named"),
        pytest.param(NAMED, event_bus(), Reason.GATEWAY_NOT_CONFIGURED, "EventBus shop/main has no gateway", id="none"),
        pytest.param(NAMED | ADA, bus(), Reason.READY, "the gateway of EventBus shop/main knows", id="all are known"),
        pytest.param(
            NAMED | STRANGER, bus(), Reason.ISSUER_NOT_FOUND, "knows no issuer strangers, whose subjects",
            id="an issuer is not",
        ),
    ],
)  # fmt: skip
def test_a_resource_says_whether_the_gateway_knows_whom_it_names(
    callers: Any, home: EventBus, reason: Reason | None, words: str
) -> None:
    verdict = callers_verdict(publication(gateway=callers), home)
    assert (verdict.reason if verdict else None) == reason
    if verdict is not None:
        assert words in verdict.message
        assert (verdict.status, verdict.stalled) == ("True" if reason == Reason.READY else "False", False)
