"""Subscriptions whose pods follow the lag, where the API server serves KEDA's own CRDs; no KEDA runs here.

That its API takes our ScaledObject is tried, and who sets the number of pods; what KEDA does with it: `test_keda.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from e2e.cluster import go_build
from e2e.cluster.steps import step
from e2e.conftest import RESYNC_SECONDS
from e2e.http_service import http_service
from e2e.operator_metrics import comes_to_rest
from e2e.servers.polling import poll
from e2e.workspace import application, condition, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.cluster import Cluster
    from e2e.installation import Installation
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

_KINDS = ("scaledobjects", "triggerauthentications")
_NAME = "billing-subscription"
_DISCOVERY_SECONDS = 60
"""The operator believes for half a minute what it was told about an API, and looks again with a resync."""


@pytest.fixture(scope="module")
def keda_api(operator: Installation) -> Iterator[Cluster]:
    """A cluster that serves KEDA's kinds."""
    cluster = operator.cluster
    with step("KEDA's CRDs") as current:
        source = go_build.module_source(go_build.KEDA, "github.com/kedacore/keda/v2", current)
    files = [Path(source) / f"config/crd/bases/keda.sh_{kind}.yaml" for kind in _KINDS]
    words = [f"--filename={file}" for file in files]
    cluster.kubectl("apply", "--server-side", *words)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *words)
    yield cluster
    cluster.kubectl("delete", "--ignore-not-found", *words)


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with the topic orders of four partitions, in which applications may run."""
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=4))
    place.until_ready("orders")
    http_service(place, "billing", failing_percent=0).until_at_work()
    return place


def scaled(bus: Resource, **scaling: int) -> Resource:
    """Return a Subscription with a sink and so many pods."""
    sink = {"http": {"url": "http://billing:8080/events"}}
    return application("Subscription", "billing", "orders", bus=bus, sink=sink, scaling=scaling)


def get(shop: Workspace, kind: str) -> Any:
    """Return an object of the Subscription; None where there is none."""
    text = shop.kubectl("get", kind, _NAME, "--ignore-not-found", "--output=json")
    return json.loads(text) if text.strip() else None


def replicas(shop: Workspace) -> int:
    """Tell how many pods the Deployment asks for."""
    return int(get(shop, "deployment")["spec"]["replicas"])


def is_autoscaled(found: Resource) -> bool:
    """Tell whether the status says that the pods follow the lag."""
    return condition(found, "Autoscaled").get("status") == "True"


def test_without_keda_there_are_as_many_pods_as_the_least(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(scaled(main_bus, min=1, max=3))
    found = shop.until_ready("billing", "Subscription", seconds=60)
    assert condition(found, "Autoscaled")["reason"] == "AutoscalerNotInstalled"
    assert replicas(shop) == 1


def test_kedas_api_takes_what_it_is_told_and_the_number_of_pods_is_its_own(
    operator: Installation, keda_api: Cluster, shop: Workspace, main_bus: Resource
) -> None:
    del keda_api
    shop.apply(scaled(main_bus, min=2))
    shop.until_ready("billing", "Subscription", seconds=90)
    assert replicas(shop) == 2
    shop.apply(scaled(main_bus, min=2, max=9))
    shop.until("Subscription", "billing", is_autoscaled, seconds=_DISCOVERY_SECONDS)
    assert replicas(shop) == 2, "it was handed over, not reset"
    spec = get(shop, "scaledobjects")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4), "never more than partitions"
    assert spec["triggers"][0]["metadata"]["consumerGroup"] == f"{shop.namespace}.billing"
    references = get(shop, "triggerauthentications")["spec"]["secretTargetRef"]
    secret = shop.secret(_NAME) or {}
    assert {each["key"] for each in references} <= set(secret)
    assert comes_to_rest(operator, operator.wait_for_leader(), 2 * 1.1 * RESYNC_SECONDS)

    shop.kubectl("scale", f"deployment/{_NAME}", "--replicas=3")  # as an autoscaler does
    shop.annotate("billing", "Subscription", rotate="now")  # so that the Deployment is applied again
    assert poll(lambda: "_2 since" in json.dumps(get(shop, "deployment")["spec"]["template"]["metadata"]), 30)
    assert replicas(shop) == 3

    shop.apply(scaled(main_bus, min=1))
    assert poll(lambda: get(shop, "scaledobjects") is None and replicas(shop) == 1, 30)
