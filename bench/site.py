"""Where a case takes place: a namespace and a Kafka of its own, with a bus that leads there, gone afterwards."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bench.api_server import ApiServer, fifty_at_once
from bench.failure import BenchError
from bench.floor import Task, Work
from bench.kafka_view import KafkaView
from bench.manifests import all_of, bus, bus_path, kind_path, names, secret, topic, topics_path
from bench.phases import phase
from bench.processes import run_floor
from e2e.servers import Kafka
from eventplane.api.crd import KINDS
from eventplane.api.event_bus import EventBus
from eventplane.api.metadata import DeletionPolicy

_CRDS: Final = Path(__file__).parent.parent / "crds"
PREFIX: Final = "eventplane-bench-"
_WARM_UP: Final = 300
_ONE_BROKER_TOPICS: Final = 3000
"""A broker runs out of file descriptors beyond about 20,000 partitions of its own, those just deleted included."""


@dataclass(frozen=True)
class Site:
    """A place for one case."""

    api: ApiServer
    kafka: Kafka
    view: KafkaView
    kubeconfig: Path
    namespace: str

    def work(self, task: Task, prefix: str, count: int, *, finalizer: bool = False, patched: bool = False) -> Work:
        """Describe work for the floor to do here."""
        settings = self.kafka.client_config("SASL_SSL")
        return Work(task, str(self.kubeconfig), self.namespace, prefix, count, settings, finalizer, patched)

    async def create(self, resources: list[str], policy: DeletionPolicy = "Retain") -> None:
        """Create EventTopics, fifty at a time."""
        path = topics_path(self.namespace)
        await fifty_at_once(self.api.send("POST", path, topic(name, policy)) for name in resources)

    async def patch(self, resources: list[str], patch: dict[str, Any]) -> None:
        """Change EventTopics, fifty at a time."""
        path = topics_path(self.namespace)
        await fifty_at_once(self.api.send("PATCH", f"{path}/{name}", patch) for name in resources)

    async def delete(self, resources: list[str]) -> None:
        """Ask for the deletion of EventTopics, fifty at a time."""
        path = topics_path(self.namespace)
        await fifty_at_once(self.api.send("DELETE", f"{path}/{name}", but=(404,)) for name in resources)

    async def bus_ready(self, status: str = "True") -> None:
        """Wait until the bus says that it is Ready, or that it is not; the phase around it sets the limit."""
        while True:
            conditions = (await self.api.read(bus_path(self.namespace))).get("status", {}).get("conditions", [])
            if any(each["type"] == "Ready" and each["status"] == status for each in conditions):
                return
            await asyncio.sleep(0.05)


def brokers_for(topics: int) -> int:
    """Return how many brokers that many topics need."""
    return 1 if topics <= _ONE_BROKER_TOPICS else 3


@contextlib.asynccontextmanager
async def site(kubeconfig: Path, title: str, topics: int) -> AsyncIterator[Site]:
    """Make a place for a case and warm it up, so that no case pays for what is cold; take it away afterwards."""
    brokers = brokers_for(topics)
    namespace = f"{PREFIX}{title}-{uuid.uuid4().hex[:6]}"
    with Kafka(brokers=1 if brokers == 1 else 3) as kafka:
        async with ApiServer.connect(kubeconfig) as api:
            place = Site(api, kafka, KafkaView(kafka, brokers), kubeconfig, namespace)
            await api.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
            try:
                async with phase(f"{title}: warm-up with {_WARM_UP} topics", 120):
                    await _warm_up(place)
                yield place
            finally:
                async with phase(f"{title}: clearing up", 60 + topics / 20):
                    await clear(api, namespace)


async def _warm_up(place: Site) -> None:
    await run_floor(place.work("create", "warm", _WARM_UP))
    await place.delete(names("warm", _WARM_UP))
    path = f"/api/v1/namespaces/{place.namespace}/secrets"
    await place.api.send("POST", path, secret(place.kafka))
    await place.api.send("POST", bus_path(place.namespace).rpartition("/")[0], bus(place.kafka))


async def clear(api: ApiServer, namespace: str) -> None:
    """Delete a namespace and what is in it, also where no operator releases it any more."""
    for kind in KINDS:
        if kind is EventBus:
            continue  # it goes last: what lives on it would be told that it has none
        path = kind_path(namespace, kind.plural)
        left = (await api.read(f"{path}?resourceVersion=0"))["items"]
        await fifty_at_once(_discard(api, f"{path}/{each['metadata']['name']}", each["metadata"]) for each in left)
    await api.send("DELETE", bus_path(namespace), but=(404,))
    await api.send("DELETE", f"/api/v1/namespaces/{namespace}", but=(404, 409))


async def _discard(api: ApiServer, path: str, metadata: dict[str, Any]) -> None:
    if metadata.get("finalizers"):
        await api.send("PATCH", path, {"metadata": {"finalizers": []}}, but=(404,))
    await api.send("DELETE", path, but=(404,))


async def install_crds(api: ApiServer) -> None:
    """Install the CRDs of this checkout and wait until they are served; they stay."""
    for file in sorted(_CRDS.glob("*.yaml")):
        group, _, plural = file.stem.partition("_")
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}"
        await api.apply(path, file.read_bytes())
        async with phase(f"CRD {plural}", 30):
            while not await _is_served(api, plural):  # noqa: ASYNC110 - the answer is soon there
                await asyncio.sleep(0.2)


async def _is_served(api: ApiServer, plural: str) -> bool:
    """Tell whether the server lists a kind; after a change of its CRD it refuses to for a moment."""
    async with api.session.get(f"{api.url}{all_of(plural)}?limit=1") as response:
        return response.status == HTTPStatus.OK


async def _all(api: ApiServer, plural: str) -> list[dict[str, Any]]:
    """List a kind in all namespaces; there are none of a kind that is not installed."""
    if not await _is_served(api, plural):
        return []
    found: list[dict[str, Any]] = (await api.read(all_of(plural)))["items"]
    return found


async def check_alone(api: ApiServer) -> None:
    """Clear up after a bench that was killed, and check that nothing else would be worked on.

    Raises:
        BenchError: somebody else's resources or operator are there.
    """
    found = {each["metadata"]["namespace"] for kind in KINDS for each in await _all(api, kind.plural)}
    for namespace in sorted(name for name in found if name.startswith(PREFIX)):
        await clear(api, namespace)
    if others := sorted(name for name in found if not name.startswith(PREFIX)):
        kinds = ", ".join(kind.kind for kind in KINDS)
        raise BenchError(f"the operator under test would work on what there is of {kinds} in {others}: delete it")
    selector = "labelSelector=app.kubernetes.io/name=eventplane"
    deployments = (await api.read(f"/apis/apps/v1/deployments?{selector}"))["items"]
    if running := [each for each in deployments if each["spec"].get("replicas", 1)]:
        where = running[0]["metadata"]
        raise BenchError(
            f"an operator is installed and would work along: kubectl --namespace {where['namespace']} scale deployment"
            f" {where['name']} --replicas 0"
        )
