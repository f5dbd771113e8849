"""Which bus a resource belongs to: the rows of `BusDirectory.resolve`, and who is let in."""

import pytest
from builders import event_bus, event_topic

from eventplane.api import DEFAULT_BUS_ANNOTATION
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, LabelSelector
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.api.metadata import BusRef
from eventplane.planning.buses import BusDirectory, bus_reference, selects
from eventplane.planning.plan import Refusal

ALL = {"from": "All"}
DEFAULT = {DEFAULT_BUS_ANNOTATION: "true"}
PRODUCTION = {"from": "Selector", "selector": {"match_labels": {"stage": "production"}}}


def bus(name: str = "main", namespace: str = "shop", *, default: bool = False, allowed: object = None) -> EventBus:
    annotations = DEFAULT if default else {}
    return event_bus(name, namespace, annotations=annotations, allowed_namespaces=allowed or {"from": "Same"})


@pytest.mark.parametrize(
    ("buses", "reference", "expected"),
    [
        pytest.param([bus(), bus("other")], BusRef(name="other"), ("shop", "other"), id="named, of several"),
        pytest.param(
            [bus(), bus("hub", "platform", allowed=ALL)],
            BusRef(name="hub", namespace="platform"),
            ("platform", "hub"),
            id="named, of another namespace",
        ),
        pytest.param([], BusRef(name="gone"), Reason.BUS_NOT_FOUND, id="named, does not exist"),
        pytest.param([bus("main", "other")], BusRef(name="main"), Reason.BUS_NOT_FOUND, id="named, exists elsewhere"),
        pytest.param([bus()], None, ("shop", "main"), id="the only one of the namespace"),
        pytest.param(
            [bus(), bus("hub", "platform", default=True, allowed=ALL)],
            None,
            ("shop", "main"),
            id="the only one of the namespace goes before the cluster's default",
        ),
        pytest.param([bus("a"), bus("b", default=True)], None, ("shop", "b"), id="several, one marked default"),
        pytest.param([bus("a"), bus("b")], None, Reason.BUS_AMBIGUOUS, id="several, none marked"),
        pytest.param(
            [bus("a", default=True), bus("b", default=True)], None, Reason.BUS_AMBIGUOUS, id="several, two marked"
        ),
        pytest.param(
            [bus("a"), bus("b"), bus("hub", "platform", default=True, allowed=ALL)],
            None,
            Reason.BUS_AMBIGUOUS,
            id="several, none marked: the cluster's default does not decide among them",
        ),
        pytest.param(
            [bus("hub", "platform", default=True, allowed=ALL)], None, ("platform", "hub"), id="none: cluster's default"
        ),
        pytest.param([bus("hub", "platform", allowed=ALL)], None, Reason.BUS_NOT_FOUND, id="none, none marked"),
        pytest.param([], None, Reason.BUS_NOT_FOUND, id="no bus at all"),
        pytest.param(
            [bus("a", "x", default=True, allowed=ALL), bus("b", "y", default=True, allowed=ALL)],
            None,
            Reason.BUS_AMBIGUOUS,
            id="none, two marked in the cluster",
        ),
        pytest.param(
            [bus("a", "x", default=True, allowed=ALL), bus("b", "y", default=True)],
            None,
            ("x", "a"),
            id="none, two marked, one of them for its own namespace only",
        ),
        pytest.param(
            [bus("b", "y", default=True)], None, Reason.NAMESPACE_NOT_ALLOWED, id="none, the marked one is for others"
        ),
    ],
)
def test_resolve(buses: list[EventBus], reference: BusRef | None, expected: tuple[str, str] | Reason) -> None:
    found = BusDirectory(buses, {}).resolve("shop", reference)
    assert (found.reason if isinstance(found, Refusal) else found.metadata.key) == expected


@pytest.mark.parametrize(
    ("allowed", "labels", "let_in"),
    [
        pytest.param({"from": "Same"}, {}, False, id="Same: not another namespace"),
        pytest.param(ALL, {}, True, id="All"),
        pytest.param(PRODUCTION, {"stage": "production"}, True, id="Selector that matches"),
        pytest.param(PRODUCTION, {"stage": "test"}, False, id="Selector that does not"),
        pytest.param({"from": "Selector", "selector": {}}, {}, True, id="empty Selector selects every namespace"),
        pytest.param(
            {"from": "Same", "selector": {"match_labels": {}}},
            {},
            False,
            id="a selector beside Same counts for nothing",
        ),
    ],
)
def test_allowed_namespaces(allowed: object, labels: dict[str, str], let_in: bool) -> None:  # noqa: FBT001 - a row
    hub = bus("hub", "platform", allowed=allowed)
    found = BusDirectory([hub], {"shop": labels}).resolve("shop", BusRef(name="hub", namespace="platform"))
    assert found == (
        hub
        if let_in
        else Refusal(
            Reason.NAMESPACE_NOT_ALLOWED,
            "EventBus platform/hub does not allow namespace shop: its owner can admit it in spec.allowedNamespaces",
        )
    )


def test_own_namespace_needs_no_permission() -> None:
    own = bus(allowed=PRODUCTION)
    assert BusDirectory([own], {}).resolve("shop", None) == own


def test_namespace_of_unknown_labels_matches_no_label() -> None:
    hub = bus("hub", "platform", allowed=PRODUCTION, default=True)
    assert isinstance(BusDirectory([hub], {}).resolve("shop", None), Refusal)


def test_ambiguity_names_the_candidates_in_order() -> None:
    assert BusDirectory([bus("b"), bus("a")], {}).resolve("shop", None) == Refusal(
        Reason.BUS_AMBIGUOUS,
        "several EventBuses could be meant (shop/a, shop/b): set busRef, or annotate one of them with"
        " events.sindhan.ai/is-default-bus=true",
    )


def expression(operator: str, *values: str) -> LabelSelector:
    return LabelSelector.model_validate(
        {"matchExpressions": [{"key": "stage", "operator": operator, "values": list(values)}]}
    )


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        pytest.param(expression("In", "a", "b"), {"stage": "b"}, True, id="In"),
        pytest.param(expression("In", "a"), {"stage": "b"}, False, id="In others"),
        pytest.param(expression("In", "a"), {}, False, id="In: an absent label is in no set"),
        pytest.param(expression("NotIn", "a"), {"stage": "b"}, True, id="NotIn"),
        pytest.param(expression("NotIn", "a"), {"stage": "a"}, False, id="NotIn this one"),
        pytest.param(expression("NotIn", "a"), {}, True, id="NotIn: an absent label is in no set"),
        pytest.param(expression("Exists"), {"stage": ""}, True, id="Exists"),
        pytest.param(expression("Exists"), {}, False, id="Exists not"),
        pytest.param(expression("DoesNotExist"), {}, True, id="DoesNotExist"),
        pytest.param(expression("DoesNotExist"), {"stage": "a"}, False, id="DoesNotExist not"),
        pytest.param(LabelSelector(), {}, True, id="empty"),
        pytest.param(LabelSelector(match_labels={"a": "1", "b": "2"}), {"a": "1"}, False, id="all labels must match"),
    ],
)
def test_selects(selector: LabelSelector, labels: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a row
    assert selects(selector, labels) is expected


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        pytest.param(event_topic(), None, id="nothing said, nothing applied: the default"),
        pytest.param(event_topic(status=EventTopicStatus(bus="shop/main")), None, id="only tried: the default"),
        pytest.param(
            event_topic(status=EventTopicStatus(bus="shop/main", applied="f")),
            BusRef(name="main", namespace="shop"),
            id="applied: a change of defaults moves no topic",
        ),
        pytest.param(event_topic(status=EventTopicStatus(bus="nonsense", applied="f")), None, id="edited by hand"),
        pytest.param(
            event_topic(bus_ref={"name": "other"}, status=EventTopicStatus(bus="shop/main", applied="f")),
            BusRef(name="other"),
            id="what the resource says",
        ),
    ],
)
def test_bus_reference(topic: EventTopic, expected: BusRef | None) -> None:
    assert bus_reference(topic) == expected
