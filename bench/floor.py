"""The floor: the same work by a bare script in a process of its own, without watch, ledger or decisions.

Resources are requested fifty at a time; what has been answered meanwhile goes to Kafka in one request, while the next
ones are under way; and each resource then gets its one PATCH, fifty at a time. `python -m bench.floor` reads a `Work`
as JSON from standard input, since it holds a password, and prints what it measured as JSON.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from bench.api_server import AT_ONCE, ApiServer, fifty_at_once
from bench.manifests import (
    ALTERED,
    CONFIG,
    PARTITIONS,
    altered_spec,
    floor_status,
    names,
    topic,
    topic_name,
    topics_path,
)
from eventplane.api import FINALIZER
from eventplane.api.metadata import DeletionPolicy

Task = Literal["create", "update", "delete"]

_RECORDS_PER_REQUEST: Final = 9000
"""Kafka refuses a request of more than 10,000 metadata records."""
_RECORDS: Final[dict[Task, int]] = {"create": 1 + PARTITIONS + len(CONFIG), "update": 1, "delete": 1 + PARTITIONS}
_ANSWER_SECONDS: Final = 60


@dataclass(frozen=True)
class Work:
    """What the floor is to do."""

    task: Task
    kubeconfig: str
    namespace: str
    prefix: str
    count: int
    kafka: dict[str, Any] = field(repr=False)
    """confluent-kafka's settings; they hold a password."""
    finalizer: bool = False
    """Create resources that carry the finalizer: what `delete` has to release."""
    patched: bool = False
    """Set the finalizer by a request of its own, as an operator must, who does not create the resource."""


class Pipeline:
    """Resources on their way through three steps that overlap: request, Kafka, report."""

    def __init__(
        self,
        request: Callable[[str], Awaitable[object]],
        change: Callable[[Sequence[str]], object],
        report: Callable[[str], Awaitable[object]],
        per_batch: int,
    ) -> None:
        self._request = request
        self._change = change
        self._report = report
        self._per_batch = per_batch
        self._requested: list[str] = []
        self._news = asyncio.Event()
        self._changed: asyncio.Queue[str | None] = asyncio.Queue()
        self.batches = 0

    async def run(self, resources: Sequence[str]) -> float:
        """Take all resources through; return the seconds from the first request to the last report's answer."""
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as steps:
            steps.create_task(fifty_at_once(self._ask(name) for name in resources))
            steps.create_task(self._change_all(len(resources)))
            for _ in range(AT_ONCE):
                steps.create_task(self._report_all())
        return time.perf_counter() - begun

    async def _ask(self, name: str) -> None:
        await self._request(name)
        self._requested.append(name)
        self._news.set()

    async def _change_all(self, left: int) -> None:
        while left:
            await self._news.wait()
            self._news.clear()
            while self._requested:
                part, self._requested = self._requested[: self._per_batch], self._requested[self._per_batch :]
                await asyncio.to_thread(self._change, part)
                self.batches += 1
                left -= len(part)
                for name in part:
                    self._changed.put_nowait(name)
        for _ in range(AT_ONCE):
            self._changed.put_nowait(None)

    async def _report_all(self) -> None:
        while (name := await self._changed.get()) is not None:
            await self._report(name)


async def run(work: Work, api: ApiServer, admin: AdminClient) -> dict[str, float]:
    """Do the work; return the seconds it took, and the requests to Kafka it needed."""
    path, namespace = topics_path(work.namespace), work.namespace
    alteration = orjson.dumps(altered_spec())
    released = orjson.dumps({"metadata": {"finalizers": []}})
    held = orjson.dumps({"metadata": {"finalizers": [FINALIZER]}})

    async def create(name: str) -> object:
        policy: DeletionPolicy = "Delete" if work.finalizer else "Retain"
        created = await api.send("POST", path, topic(name, policy, finalizer=work.finalizer and not work.patched))
        return await api.send("PATCH", f"{path}/{name}", held) if work.patched else created

    async def update(name: str) -> object:
        return await api.send("PATCH", f"{path}/{name}", alteration)

    async def delete(name: str) -> object:
        return await api.send("DELETE", f"{path}/{name}")

    async def report(name: str) -> object:
        generation = 2 if work.task == "update" else 1
        return await api.send("PATCH", f"{path}/{name}/status", floor_status(namespace, name, generation))

    async def release(name: str) -> object:
        return await api.send("PATCH", f"{path}/{name}", released)

    request = {"create": create, "update": update, "delete": delete}[work.task]
    change = {"create": _create_topics, "update": _alter_topics, "delete": _delete_topics}[work.task]
    pipeline = Pipeline(
        request,
        lambda part: _await(change(admin, [topic_name(namespace, name) for name in part])),
        release if work.task == "delete" else report,
        _RECORDS_PER_REQUEST // _RECORDS[work.task],
    )
    busy = time.process_time()
    seconds = await pipeline.run(names(work.prefix, work.count))
    return {"seconds": seconds, "kafka_requests": pipeline.batches, "cpu_seconds": time.process_time() - busy}


def _create_topics(admin: AdminClient, topics: Sequence[str]) -> dict[Any, Future[Any]]:
    new = [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=dict(CONFIG)) for name in topics]
    return dict(admin.create_topics(new, request_timeout=_ANSWER_SECONDS))


def _alter_topics(admin: AdminClient, topics: Sequence[str]) -> dict[Any, Future[Any]]:
    key, value = ALTERED
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)],
        )
        for name in topics
    ]
    return dict(admin.incremental_alter_configs(resources, request_timeout=_ANSWER_SECONDS))


def _delete_topics(admin: AdminClient, topics: Sequence[str]) -> dict[Any, Future[Any]]:
    return dict(admin.delete_topics(list(topics), request_timeout=_ANSWER_SECONDS))


def _await(futures: dict[Any, Future[Any]]) -> None:
    for future in futures.values():
        future.result()


async def _main() -> None:
    work = Work(**orjson.loads(sys.stdin.buffer.read()))
    admin = AdminClient(work.kafka)
    async with ApiServer.connect(Path(work.kubeconfig)) as api:
        await api.open_connections()
        await asyncio.to_thread(admin.list_topics, timeout=_ANSWER_SECONDS)  # connected, as the operator is
        print(orjson.dumps(await run(work, api, admin)).decode())


if __name__ == "__main__":
    asyncio.run(_main())
