"""What KEDA is told, and how many pods there are at least and at most."""

from typing import Any

import pytest
from builders import subscription, wanted_access

from eventplane.planning.connection import KafkaConnection
from eventplane.planning.scaling import autoscaler, replica_bounds, wants_autoscaling

HTTP: dict[str, Any] = {"sink": {"http": {"url": "http://billing"}}}
UP_TO_TEN = {"min": 2, "max": 10, "lag_threshold": 50}


@pytest.mark.parametrize(
    ("spec", "wants"),
    [
        pytest.param(HTTP | {"scaling": UP_TO_TEN}, True, id="between two numbers"),
        pytest.param(HTTP | {"scaling": {"min": 3, "max": 3}}, False, id="always so many"),
        pytest.param(HTTP, False, id="nothing said"),
        pytest.param({"scaling": UP_TO_TEN}, False, id="nothing consumes"),
        pytest.param({"scaling": UP_TO_TEN, "workload": {"image": "billing:1"}}, True, id="a container of one's own"),
    ],
)
def test_what_is_scaled(spec: dict[str, Any], wants: bool) -> None:  # noqa: FBT001 - a table
    assert wants_autoscaling(subscription(**spec)) is wants


@pytest.mark.parametrize(
    ("scaling", "partitions", "bounds"),
    [
        pytest.param({"min": 1, "max": 10}, (12,), (1, 10), id="as asked for"),
        pytest.param({"min": 1, "max": 10}, (3, 2), (1, 5), id="no more than partitions"),
        pytest.param({"min": 4, "max": 10}, (3,), (4, 4), id="the least is what was asked for"),
        pytest.param({"min": 1, "max": 10}, (), (1, 1), id="partitions are not known"),
        pytest.param(None, (12,), (1, 1), id="nothing said"),
    ],
)
def test_bounds(scaling: dict[str, int] | None, partitions: tuple[int, ...], bounds: tuple[int, int]) -> None:
    assert replica_bounds(subscription(**HTTP, scaling=scaling), partitions) == bounds


def test_keda_is_told_to_log_in_as_the_application_does() -> None:
    scaled = subscription(**HTTP, scaling=UP_TO_TEN, start_from="Earliest", topics=[{"name": "orders"}, {"name": "b"}])
    desired = wanted_access(scaled)
    authentication, made = autoscaler(scaled, desired, "billing-subscription", {"shop.orders": 3, "shop.b": 1})
    assert authentication["kind"] == "TriggerAuthentication"
    assert authentication["metadata"] == {"name": "billing-subscription", "namespace": "shop"}
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "username", "name": "billing-subscription", "key": "username"},
        {"parameter": "password", "name": "billing-subscription", "key": "password"},
        {"parameter": "ca", "name": "billing-subscription", "key": "ca.crt"},
    ]
    spec = made["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "billing-subscription"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4)
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    assert [each["name"] for each in spec["triggers"]] == ["lag-shop.b", "lag-shop.orders"]
    assert spec["triggers"][1] == {
        "type": "kafka",
        "name": "lag-shop.orders",
        "metadata": {
            "bootstrapServers": "kafka:9092",
            "consumerGroup": "shop.billing",
            "topic": "shop.orders",
            "lagThreshold": "50",
            "offsetResetPolicy": "earliest",
            "scaleToZeroOnInvalidOffset": "false",
            "sasl": "scram_sha512",
            "tls": "enable",
        },
        "authenticationRef": {"name": "billing-subscription"},
    }


def test_a_bus_that_asks_for_nothing_needs_no_authentication() -> None:
    scaled = subscription(**HTTP, scaling=UP_TO_TEN)
    desired = wanted_access(scaled, connection=KafkaConnection(("kafka:9092",)))
    (made,) = autoscaler(scaled, desired, "billing-subscription", {"shop.orders": 3})
    (trigger,) = made["spec"]["triggers"]
    assert "authenticationRef" not in trigger
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("none", "disable")
    assert trigger["metadata"]["offsetResetPolicy"] == "latest"
