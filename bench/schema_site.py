"""Where a case of schemas takes place: a namespace with a bus, whose servers are those of the whole run."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bench.api_server import ApiServer, fifty_at_once
from bench.failure import BenchError
from bench.kafka_view import KafkaView
from bench.manifests import bus_path, names, secret
from bench.phases import phase
from bench.processes import run_floor
from bench.schema_floor import BareRegistry, SchemaTask, SchemaWork, registry_session
from bench.schema_manifests import altered_spec, bus_with_registry, schema, schemas_path, subject_name
from bench.site import PREFIX, Site, clear
from e2e.servers import Kafka
from e2e.servers.registry import Registry, private_registry

_SCRIPT: Final = "bench.schema_floor"
_WARM_UP: Final = 300


@dataclass(frozen=True)
class SchemaSite:
    """A place for one case."""

    place: Site
    registry: BareRegistry
    registry_url: str

    @property
    def api(self) -> ApiServer:
        """The API server."""
        return self.place.api

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self.place.namespace

    @property
    def path(self) -> str:
        """Where the Schemas are."""
        return schemas_path(self.namespace)

    async def floor(self, task: SchemaTask, prefix: str, count: int) -> dict[str, float]:
        """Let the floor do something here; return what it measured."""
        place = self.place
        work = SchemaWork(task, str(place.kubeconfig), place.namespace, prefix, count, self.registry_url)
        return await run_floor(work, _SCRIPT)

    async def create(self, resources: list[str]) -> None:
        """Create Schemas, fifty at a time."""
        await fifty_at_once(self.api.send("POST", self.path, schema(self.namespace, name)) for name in resources)

    async def update(self, resources: list[str]) -> None:
        """Add a field to the definitions of Schemas, fifty at a time."""
        await fifty_at_once(
            self.api.send("PATCH", f"{self.path}/{name}", altered_spec(self.namespace, name)) for name in resources
        )

    async def delete(self, resources: list[str]) -> None:
        """Delete Schemas, fifty at a time; their subjects stay."""
        await fifty_at_once(self.api.send("DELETE", f"{self.path}/{name}") for name in resources)

    async def check_registered(self, resources: list[str], version: int) -> None:
        """Check that what the statuses say is true.

        Raises:
            BenchError: the registry has another latest version of a subject.
        """

        async def check(name: str) -> None:
            subject = subject_name(self.namespace, name)
            found = await self.registry.send("GET", f"/subjects/{quote(subject, safe='')}/versions/latest")
            if found["version"] != version:
                raise BenchError(f"the latest version of subject {subject} is {found['version']}, not {version}")

        await fifty_at_once(check(name) for name in resources)

    async def forget_subjects(self) -> None:
        """Delete the subjects of this place for good, so that no other case meets them."""
        subjects = await self.registry.send("GET", "/subjects")
        own = [quote(each, safe="") for each in subjects if each.startswith(f"{self.namespace}.")]
        for how in ("", "?permanent=true"):
            await fifty_at_once(self.registry.send("DELETE", f"/subjects/{each}{how}") for each in own)


@dataclass(frozen=True)
class SchemaServers:
    """The servers of a run."""

    kubeconfig: Path
    kafka: Kafka
    registry: Registry

    @contextlib.asynccontextmanager
    async def site(self, title: str, schemas: int) -> AsyncIterator[SchemaSite]:
        """Make a place for a case; take it away afterwards, with its subjects."""
        namespace = f"{PREFIX}{title}-{uuid.uuid4().hex[:6]}"
        async with ApiServer.connect(self.kubeconfig) as api, registry_session() as session:
            base = Site(api, self.kafka, KafkaView(self.kafka, 1), self.kubeconfig, namespace)
            place = SchemaSite(base, BareRegistry(session, self.registry.url), self.registry.url)
            await api.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
            try:
                await api.send("POST", f"/api/v1/namespaces/{namespace}/secrets", secret(self.kafka))
                buses = bus_path(namespace).rpartition("/")[0]
                await api.send("POST", buses, bus_with_registry(self.kafka, self.registry.url))
                yield place
            finally:
                async with phase(f"{title}: clearing up", 60 + schemas / 10):
                    await clear(api, namespace)
                    await place.forget_subjects()

    async def warm_up(self) -> None:
        """Let all servers do some of everything, so that no case pays for what is cold."""
        async with self.site("warm", _WARM_UP) as place, phase(f"warm-up with {_WARM_UP} schemas", 120):
            await place.floor("create", "warm", _WARM_UP)
            await place.floor("update", "warm", _WARM_UP)
            resources = names("warm", _WARM_UP)
            await place.check_registered(resources, 2)
            subjects = [quote(subject_name(place.namespace, name), safe="") for name in resources]
            questions = ("/config/{}", "/config/{}?defaultToGlobal=true", "/subjects/{}/versions")
            await fifty_at_once(
                place.registry.send("GET", question.format(subject), but=(404,))
                for question in questions
                for subject in subjects
            )


@contextlib.contextmanager
def servers(kubeconfig: Path) -> Iterator[SchemaServers]:
    """Run a Kafka, which every bus needs, and a registry."""
    with private_registry() as registry, Kafka(brokers=1) as kafka:
        yield SchemaServers(kubeconfig, kafka, registry)


async def registry_ready(place: SchemaSite) -> None:
    """Wait until the bus says that its registry answers; the phase around it sets the limit."""
    while True:
        conditions = (await place.api.read(bus_path(place.namespace))).get("status", {}).get("conditions", [])
        if any(each["type"] == "SchemaRegistryReady" and each["status"] == "True" for each in conditions):
            return
        await asyncio.sleep(0.05)
