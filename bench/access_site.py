"""Where a case of Subscriptions takes place: a namespace, a Kafka of its own and a bus, with topics to be read."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import orjson
from confluent_kafka import KafkaException

from bench.access_floor import AccessTask, AccessWork
from bench.access_manifests import (
    TOPICS,
    grants,
    secret_path,
    subscription,
    subscriptions_path,
    topic_read,
    user_name,
)
from bench.access_view import AccessView, rights_of
from bench.api_server import ApiServer, fifty_at_once
from bench.failure import BenchError
from bench.manifests import topic_name, topics_path
from bench.operator_process import OperatorProcess
from bench.phases import phase
from bench.processes import run_floor
from bench.site import Site, site
from bench.watch import in_sync
from e2e.applications import Application

_SCRIPT: Final = "bench.access_floor"
_WARM_UP: Final = 100
_USERS: Final = "eventplane."
_LOGINS: Final = 3


@dataclass(frozen=True)
class AccessSite:
    """A place for one case."""

    place: Site
    view: AccessView
    cluster: str
    """Identity of the Kubernetes cluster."""

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
        """Where the Subscriptions are."""
        return subscriptions_path(self.namespace)

    async def floor(self, task: AccessTask, prefix: str, count: int) -> dict[str, float]:
        """Let the floor do something here; return what it measured."""
        settings = self.place.kafka.client_config("SASL_SSL")
        work = AccessWork(task, str(self.place.kubeconfig), self.namespace, prefix, count, settings)
        return await run_floor(work, _SCRIPT)

    async def create(self, resources: list[str]) -> None:
        """Create Subscriptions, fifty at a time."""
        await fifty_at_once(self.api.send("POST", self.path, subscription(name)) for name in resources)

    async def delete(self, resources: list[str]) -> None:
        """Delete Subscriptions, fifty at a time."""
        await fifty_at_once(self.api.send("DELETE", f"{self.path}/{name}") for name in resources)

    async def started(self, under_test: OperatorProcess) -> None:
        """Wait until the operator leads, has made the topics, and has nothing to do."""
        async with phase("operator: start", 60):
            await under_test.leading()
            await self.place.bus_ready()
            while not await self._topics_made():  # noqa: ASYNC110 - the answer is soon there
                await asyncio.sleep(0.1)
            await under_test.idle()

    async def _topics_made(self) -> bool:
        topics = (await self.api.read(topics_path(self.namespace)))["items"]
        return len(topics) == len(TOPICS) and all(in_sync("MODIFIED", topic) for topic in topics)

    async def check(self, resources: Sequence[str]) -> None:
        """Check that Kafka knows these users with exactly their ACLs, and lets some in with what their Secrets say.

        Raises:
            BenchError: it is not so.
        """
        users = {name: user_name(self.cluster, self.namespace, name) for name in resources}
        each = (rights_of(user, grants(self.namespace, name)) for name, user in users.items())
        await self.view.check(frozenset().union(*each))
        for name in resources[:: max(1, len(resources) // _LOGINS)][:_LOGINS]:
            await self._check_login(name)

    async def _check_login(self, name: str) -> None:
        secret = await self.api.read(secret_path(self.namespace, name))
        settings = orjson.loads(base64.b64decode(secret["data"]["librdkafka.json"]))
        try:
            shown = set(await asyncio.to_thread(Application(settings | {"log_level": 0}).topics))
        except KafkaException as error:
            raise BenchError(f"Kafka does not let in whoever has the Secret of {name}: {error}") from error
        if shown != {topic_name(self.namespace, topic_read(name))}:
            raise BenchError(f"the user of {name} may see the topics {shown}")


@contextlib.asynccontextmanager
async def access_site(kubeconfig: Path, title: str, count: int) -> AsyncIterator[AccessSite]:
    """Make a place for a case and warm it up, with topics that no operator has made yet; take it away afterwards."""
    async with site(kubeconfig, title, count) as place:
        system = await place.api.read("/api/v1/namespaces/kube-system")
        access = AccessSite(place, AccessView(place.kafka, _USERS), system["metadata"]["uid"])
        async with phase(f"{title}: warm-up with {_WARM_UP} users", 60):
            await access.floor("create", "warm-", _WARM_UP)
            await access.floor("delete", "warm-", _WARM_UP)
            await access.view.none_left()
            await place.create(TOPICS)
        yield access
    await _gone(kubeconfig, place.namespace)


async def _gone(kubeconfig: Path, namespace: str) -> None:
    """Wait until a namespace is gone: the deletion of its many Secrets would be in the way of what comes next."""
    async with ApiServer.connect(kubeconfig) as api, phase("until the namespace is gone", 180):
        path = f"{api.url}/api/v1/namespaces/{namespace}"
        while True:
            async with api.session.get(path) as response:
                if response.status == HTTPStatus.NOT_FOUND:
                    return
            await asyncio.sleep(0.5)
