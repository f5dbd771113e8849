"""Each constraint of an EventTopic's spec, with values on both sides of it; for those on changes see test_crds.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.crd_constraints import ABSENT, NAME_REFUSED, Constrained, bus_reference, configured, enumerated, ranged

if TYPE_CHECKING:
    from collections.abc import Iterator


def event_topic_constraints() -> Iterator[Constrained]:
    """Give them all."""
    topic = "EventTopic"
    yield from bus_reference(topic)
    dots, internal = "Kafka does not allow a topic named . or ..", "names that start with __ belong to Kafka"
    yield Constrained(
        topic,
        "topicName",
        (ABSENT, "a", "_orders", "...", "Orders.v1_x-y", "t" * 249),
        (
            ("", "should match"),
            ("orders/eu", "should match"),
            ("größe", "should match"),
            ("t" * 250, "should match"),
            (".", dots),
            ("..", dots),
            ("__consumer_offsets", internal),
        ),
    )
    yield ranged(topic, "partitions", 1, 10_000)
    yield ranged(topic, "replicationFactor", 1, 32_767)
    yield enumerated(topic, "partitionGrowth", "Allow", "IfUnkeyed", "Never")
    yield enumerated(topic, "mode", "Enforce", "Plan", "Observe")
    yield enumerated(topic, "driftPolicy", "Enforce", "Warn", "Ignore")
    yield enumerated(topic, "deletionPolicy", "Retain", "Delete", "DeleteIfEmpty", "DeleteIfIdle")
    yield enumerated(topic, "adoption", "IfUnowned", "Never")
    yield Constrained(
        topic,
        "retention.time",
        (ABSENT, "unlimited", "0ms", "7d", "999999999w"),
        tuple((value, "should match") for value in ("", "7", "7 days", "-1", "Unlimited", "1y")),
    )
    yield Constrained(
        topic,
        "retention.size",
        (ABSENT, "unlimited", "0", "1073741824", "50Gi", "1k"),
        tuple((value, "should match") for value in ("", "50GB", "1.5Gi", "-1", "Gi", "1K")),
    )
    yield Constrained(
        topic,
        "cleanup",
        (ABSENT, ["delete"], ["compact"], ["compact", "delete"]),
        (
            ([], "should have at least 1 items"),
            (["delete", "compact", "delete"], "must have at most 2 items"),
            (["delete", "delete"], "Duplicate value"),
        ),
    )
    yield enumerated(topic, "cleanup[]", "delete", "compact")
    yield from configured(topic, "config")
    for part in ("value", "key"):
        named = {"schemas": {part: {"name": "order"}}}
        yield Constrained(topic, f"schemas.{part}.name", ("n", "n" * 253), tuple(NAME_REFUSED.items()), named)
    yield from _unmanaged()
    yield from _said_twice()


def _unmanaged() -> Iterator[Constrained]:
    topic, keys = "EventTopic", [f"key.{number}" for number in range(101)]
    yield Constrained(
        topic,
        "unmanagedConfig",
        (ABSENT, [], keys[:100]),
        ((keys, "must have at most 100 items"), (["a", "a"], "Duplicate value")),
    )
    yield Constrained(
        topic,
        "unmanagedConfig[]",
        ("k", "k" * 128),
        (("", "should be at least 1 chars long"), ("k" * 129, "may not be more than 128 bytes")),
    )
    managed = {"config": {"retention.ms": "1"}}
    both = "a setting is either in config or in unmanagedConfig: keep one of them"
    yield Constrained(
        topic,
        "",
        ({"unmanagedConfig": ["compression.type"]},),
        (({"unmanagedConfig": ["compression.type", "retention.ms"]}, both),),
        managed,
    )


def _said_twice() -> Iterator[Constrained]:
    """What has a field of its own, and stands in config too."""
    for given, name, key, text in (
        ({"retention": {"time": "7d"}}, "retention.time", "retention.ms", "604800000"),
        ({"retention": {"size": "1Gi"}}, "retention.size", "retention.bytes", "1073741824"),
        ({"cleanup": ["delete"]}, "cleanup", "cleanup.policy", "delete"),
    ):
        twice = (({"config": {key: text}}, f"{name} and config['{key}'] say the same thing: keep one of them"),)
        yield Constrained("EventTopic", "", ({"config": {"min.insync.replicas": "1"}},), twice, given)
        yield Constrained("EventTopic", "", ({"config": {key: text}},), ())
