"""Specs to desired topics: defaults, shorthands, names."""

import pytest
from builders import desired_topic, event_bus, event_topic, settled, wanted
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.planning.desired import DesiredTopic, desire_topic, topic_name
from eventplane.planning.plan import Refusal

BUS = event_bus(
    defaults={"partitions": 6, "replication_factor": 3, "config": {"min.insync.replicas": "2", "retention.ms": "1"}}
)


@pytest.mark.parametrize(
    ("resource", "bus", "expected"),
    [
        pytest.param(event_topic(), event_bus(), (None, None, {}, set()), id="nothing said: the broker's choice"),
        pytest.param(
            event_topic(),
            BUS,
            (6, 3, {"min.insync.replicas": "2", "retention.ms": "1"}, set()),
            id="the bus's defaults",
        ),
        pytest.param(
            event_topic(partitions=12, replication_factor=2, config={"retention.ms": "5"}),
            BUS,
            (12, 2, {"min.insync.replicas": "2", "retention.ms": "5"}, set()),
            id="the resource's word goes before the bus's",
        ),
        pytest.param(
            event_topic(config={"retention.ms": None}),
            BUS,
            (6, 3, {"min.insync.replicas": "2"}, {"retention.ms"}),
            id="null goes before the bus's default, and leaves alone",
        ),
        pytest.param(
            event_topic(retention={"time": "7d", "size": "1Gi"}),
            BUS,
            (6, 3, {"min.insync.replicas": "2", "retention.ms": "604800000", "retention.bytes": "1073741824"}, set()),
            id="shorthands go before the bus's default",
        ),
        pytest.param(
            event_topic(retention={"time": "unlimited"}),
            event_bus(),
            (None, None, {"retention.ms": "-1"}, set()),
            id="unlimited is -1",
        ),
        pytest.param(
            event_topic(cleanup=("delete", "compact")),
            event_bus(),
            (None, None, {"cleanup.policy": "compact,delete"}, set()),
            id="cleanup in one order",
        ),
        pytest.param(
            event_topic(retention={}), event_bus(), (None, None, {}, set()), id="empty retention says nothing"
        ),
        pytest.param(
            event_topic(unmanaged_config=("retention.ms",)),
            BUS,
            (6, 3, {"min.insync.replicas": "2"}, {"retention.ms"}),
            id="unmanagedConfig is null in another form",
        ),
    ],
)
def test_desire(
    resource: EventTopic, bus: EventBus, expected: tuple[int | None, int | None, dict[str, str], set[str]]
) -> None:
    desired = wanted(resource, bus)
    assert (desired.partitions, desired.replication_factor, dict(desired.config), set(desired.left_alone)) == expected


def test_unwritable_topic_is_refused() -> None:
    assert desire_topic(event_topic(replication_factor=1), BUS) == Refusal(
        Reason.INVALID_SPEC,
        "min.insync.replicas=2 is more than replicationFactor 1, so no write with acks=all could succeed:"
        " lower the one or raise the other",
    )


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(event_topic(replication_factor=2), id="as many as replicas"),
        pytest.param(event_topic(replication_factor=1, config={"min.insync.replicas": None}), id="left alone"),
        pytest.param(event_topic(replication_factor=1, config={"min.insync.replicas": "many"}), id="Kafka will say"),
        pytest.param(
            event_topic(replication_factor=1, deleting=True), id="a resource being deleted must be able to go"
        ),
    ],
)
def test_writable_topic(resource: EventTopic) -> None:
    assert isinstance(desire_topic(resource, BUS), DesiredTopic)


@pytest.mark.parametrize(
    ("resource", "template", "expected"),
    [
        pytest.param(event_topic(), "{{ namespace }}.{{ name }}", "shop.orders", id="namespace and name"),
        pytest.param(
            event_topic(labels={"team": "a"}), "{{ labels.team }}-{{ name }}", "a-orders", id="labels of the resource"
        ),
        pytest.param(event_topic(topic_name="Orders_V1"), "{{ name }}", "Orders_V1", id="its own word goes first"),
        pytest.param(
            event_topic(status=EventTopicStatus(topic_name="old.orders")),
            "new.{{ name }}",
            "old.orders",
            id="a name once given stays",
        ),
        pytest.param(event_topic("o" * 249), "{{ name }}", "o" * 249, id="as long as can be"),
    ],
)
def test_name(resource: EventTopic, template: str, expected: str) -> None:
    assert topic_name(resource, event_bus(naming={"topic": template})) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        pytest.param("{{ name", Reason.INVALID_NAME, id="syntax error"),
        pytest.param("{{ unknown }}", Reason.INVALID_NAME, id="unknown variable"),
        pytest.param("{{ labels.team }}-{{ name }}", Reason.INVALID_NAME, id="the resource lacks the label"),
        pytest.param("{{ name.__class__.__mro__ }}", Reason.INVALID_NAME, id="the sandbox holds"),
        pytest.param("{{ 1 // 0 }}{{ name }}", Reason.INVALID_NAME, id="arithmetic"),
        pytest.param("{{ name * 1000000000 }}", Reason.INVALID_NAME, id="multiplication"),
        pytest.param("{% for i in name %}{{ name }}{% endfor %}", Reason.INVALID_NAME, id="a loop"),
        pytest.param("{{ name | center(1000000000) }}", Reason.INVALID_NAME, id="a filter that makes long texts"),
        pytest.param("{{ name[99] }}", Reason.INVALID_NAME, id="index"),
        pytest.param("{{ name + 1 }}", Reason.INVALID_NAME, id="types"),
        pytest.param("{{ 1 | xmlattr }}{{ name }}", Reason.INVALID_NAME, id="a filter fails in its own way"),
        pytest.param("{{ name | nofilter }}", Reason.INVALID_NAME, id="unknown filter"),
        pytest.param("{{ [name, namespace] | random }}", Reason.INVALID_NAME, id="a name is the same each time"),
        pytest.param("{{ lipsum() }}{{ name }}", Reason.INVALID_NAME, id="not even prose is random"),
        pytest.param("{% for i in range(3) %}{{ name }}{% endfor %}", Reason.INVALID_NAME, id="metadata only"),
        pytest.param("{{ name }} {{ namespace }}", Reason.INVALID_NAME, id="a space"),
        pytest.param("{{ '' if name else name }}", Reason.INVALID_NAME, id="nothing"),
        pytest.param("{{ '.' if name else name }}", Reason.INVALID_NAME, id="a dot"),
        pytest.param("{{ '..' if name else name }}", Reason.INVALID_NAME, id="two dots"),
        pytest.param("{{ name * 50 }}", Reason.INVALID_NAME, id="too long"),
        pytest.param("{{ name }}ß", Reason.INVALID_NAME, id="letters that Kafka does not know"),
        pytest.param("__{{ name }}", Reason.INTERNAL_TOPIC, id="Kafka's and Eventplane's own"),
        pytest.param("__eventplane_ownership{{ '' if name }}", Reason.INTERNAL_TOPIC, id="the ledger itself"),
    ],
)
def test_name_refused(template: str, reason: Reason) -> None:
    refused = desire_topic(event_topic(), event_bus(naming={"topic": template}))
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert "create" in refused.message
    assert len(refused.message) < 700, "the message holds no endless name"


def test_message_of_a_template_that_cannot_name() -> None:
    assert desire_topic(event_topic(), event_bus(naming={"topic": "{{ labels.team }}.{{ name }}"})) == Refusal(
        Reason.INVALID_NAME,
        "the naming template '{{ labels.team }}.{{ name }}' of EventBus shop/main cannot name this topic ('dict object'"
        " has no attribute 'team'): correct the template, or create the EventTopic with a topicName",
    )


def test_name_is_no_part_of_a_template() -> None:
    """What a user names is data: it is not rendered again."""
    resource = event_topic(labels={"team": "{{ namespace }}"})
    assert isinstance(topic_name(resource, event_bus(naming={"topic": "{{ labels.team }}{{ name }}"})), Refusal)


@pytest.mark.parametrize(
    "other",
    [
        desired_topic("other"),
        desired_topic(partitions=4),
        desired_topic(replication_factor=2),
        desired_topic(config={"a": "1"}),
        desired_topic(left_alone={"a"}),
        desired_topic(left_alone={"a=1"}),
    ],
)
def test_fingerprint_changes_with_what_is_asked(other: DesiredTopic) -> None:
    assert other.fingerprint() != desired_topic().fingerprint()


def test_fingerprint_keeps_settings_apart() -> None:
    """A value that looks like the end of one setting and the next is a value."""
    assert (
        desired_topic(config={"a": "1\nb=2"}).fingerprint() != desired_topic(config={"a": "1", "b": "2"}).fingerprint()
    )
    assert desired_topic(config={"a": "1"}).fingerprint() != desired_topic(left_alone={"a=1"}).fingerprint()


@given(st.permutations(["a", "b", "c"]))
def test_fingerprint_knows_no_order(keys: list[str]) -> None:
    one = desired_topic(config=dict.fromkeys(keys, "1"), left_alone=keys)
    assert one.fingerprint() == desired_topic(config=dict.fromkeys("abc", "1"), left_alone="abc").fingerprint()


def test_settled_resource_asks_for_what_it_asked_for() -> None:
    resource = settled(event_topic(partitions=3))
    assert wanted(resource).fingerprint() == resource.status.applied


def test_a_setting_is_either_asked_for_or_left_alone() -> None:
    resource = event_topic(retention={"time": "7d"}, cleanup=("delete",), unmanaged_config=("retention.ms",))
    assert desire_topic(resource, event_bus()) == Refusal(
        Reason.INVALID_SPEC,
        "retention or cleanup sets retention.ms and unmanagedConfig leaves it alone: keep one of them",
    )
    going = event_topic(retention={"time": "7d"}, unmanaged_config=("retention.ms",), deleting=True)
    assert isinstance(desire_topic(going, event_bus()), DesiredTopic)
