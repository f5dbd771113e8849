"""Fixtures of the end-to-end tests: a real cluster with real messaging servers, and the operator from its chart."""

from __future__ import annotations

import time
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e import cluster as harness
from e2e import servers
from e2e.cluster import engine as engines
from e2e.cluster import kind_cluster
from e2e.cluster.lifecycle import servers_dir
from e2e.installation import Installation
from e2e.kafka_view import KafkaView
from e2e.registry_view import RegistryView
from e2e.servers import Kafka
from e2e.workspace import Resource, Workspace, application, scram_bus, topic

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from e2e.cluster import Cluster

RESYNC_SECONDS, IDLE_SECONDS = 4, 6
SETTINGS = {
    "settings.resyncSeconds": str(RESYNC_SECONDS),
    "settings.secretRefreshSeconds": "1",
    "settings.gaugeSeconds": "1",
    "settings.idleAfterSeconds": str(IDLE_SECONDS),
}
"""The chart's values under which the tests need not wait long."""
PREFIX = "e2e-"
_LAST = ("test_admission.py", "test_quickstart.py", "test_survival.py")
"""These change how the operator is installed, the last of them deletes the CRDs."""
_CLEARING_SECONDS = 90
_TEST_SECONDS = 200
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run those tests last that others would suffer from; limit tests, but not what a bare machine takes to set up."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS, func_only=True))
    items.sort(key=lambda item: _LAST.index(item.path.name) if item.path.name in _LAST else -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the operator's last words beside a failure."""
    report = yield
    installation = getattr(item, "funcargs", {}).get("operator")
    if report.failed and call.when == "call" and isinstance(installation, Installation):
        report.sections.append(("the operator", installation.last_words()))
    return report


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that runs; one that these tests had to bring up is taken down again."""
    engine = engines.running()
    found = engine is not None and kind_cluster.usable(engine) is not None
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        print(flush=True)  # its steps are shown: the first time, they take a while
        running = harness.up()
    yield running
    if not found:
        harness.down()


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Iterator[Installation]:
    """The operator, installed from its chart and these sources; uninstalled again if it was not there before."""
    installation = Installation(cluster)
    was_there = installation.exists
    installation.install(SETTINGS)
    installation.wait_for_leader()
    yield installation
    if not was_there and installation.exists:
        installation.uninstall()


@pytest.fixture(scope="session")
def kafka(cluster: Cluster) -> Kafka:
    """The Kafka that the cluster shares: never to be stopped."""
    del cluster  # the shared servers come up with it
    return servers.load(servers_dir()).kafka


@pytest.fixture(scope="session")
def view(kafka: Kafka) -> KafkaView:
    """The shared Kafka behind the operator's back."""
    return KafkaView(kafka)


@pytest.fixture(scope="session")
def registry(cluster: Cluster) -> RegistryView:
    """The schema registry that the cluster shares, behind the operator's back."""
    del cluster
    shared = servers.load(servers_dir()).registry
    assert shared is not None, "the harness starts it with Kafka"
    return RegistryView(shared)


class Namespaces:
    """Makes namespaces for tests and takes them away."""

    def __init__(self, origin: Workspace) -> None:
        self._origin = origin
        self._made: list[Workspace] = []

    def make(self, labels: dict[str, str] | None = None) -> Workspace:
        """Return a new namespace."""
        made = self._origin.beside(f"{PREFIX}{uuid.uuid4().hex[:8]}")
        made.create(labels)
        self._made.append(made)
        return made

    def clear(self) -> None:
        """Delete all of them and wait until they are gone, so that no finalizer outlives the operator."""
        for each in self._made:
            each.delete()
        deadline = time.monotonic() + _CLEARING_SECONDS
        while left := [each.namespace for each in self._made if each.exists()]:
            if time.monotonic() > deadline:
                pytest.fail(f"these namespaces do not go: {left}")
            time.sleep(0.5)


@pytest.fixture(scope="session")
def namespaces(operator: Installation, kafka: Kafka, view: KafkaView, registry: RegistryView) -> Iterator[Namespaces]:
    """Makes namespaces whose topics, resources and all else are gone at the end."""
    del kafka  # a bus leads there
    origin = Workspace(operator.cluster, "default")
    made = Namespaces(origin)
    yield made
    made.clear()
    origin.close()
    if left := [name for name in view.partitions() if name.startswith(PREFIX)]:
        view.delete(*left)
    for subject in [each for each in registry.subjects() if PREFIX in each]:
        registry.delete(subject)


@pytest.fixture(scope="session")
def home(
    cluster: Cluster, operator: Installation, kafka: Kafka, registry: RegistryView, namespaces: Namespaces
) -> Iterator[Workspace]:
    """The namespace of the bus `main`, which leads to the shared Kafka and registry and lets everybody in."""
    del operator  # it makes the bus Ready
    place = Workspace(cluster, f"{PREFIX}home-{uuid.uuid4().hex[:8]}")
    place.create()
    place.allow_secrets()
    registry_url = {"url": registry.registry.url}
    place.apply(*scram_bus("main", kafka, allowedNamespaces={"from": "All"}, schemaRegistry=registry_url))
    place.until_ready("main", kind="EventBus")
    yield place
    namespaces.clear()  # while their bus is still there
    place.delete()
    place.close()


@pytest.fixture(scope="session")
def main_bus(home: Workspace) -> Resource:
    """The busRef that leads to the bus `main`."""
    return {"name": "main", "namespace": home.namespace}


@pytest.fixture
def place(namespaces: Namespaces, home: Workspace) -> Iterator[Workspace]:
    """A namespace for one test, which may use the bus `main`."""
    del home  # its bus lets this namespace in
    made = namespaces.make()
    yield made
    made.delete()


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with the topic orders, that admits restricted pods only, and a policy of quick retries."""
    place.kubectl("label", "namespace", place.namespace, "pod-security.kubernetes.io/enforce=restricted")
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=4), application("Publication", "web", "orders", bus=main_bus))
    place.until_ready("web", "Publication")
    return place


@pytest.fixture(scope="module")
def own_kafka(cluster: Cluster) -> Iterator[Kafka]:
    """A Kafka for the tests of one module, which may kill it."""
    with Kafka(address=cluster.gateway) as started:
        yield started
