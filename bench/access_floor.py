"""The floor of Subscriptions: the same requests by a bare script in a process of its own, without any look-up.

Resources and then their Secrets are requested fifty at a time; what has been answered meanwhile becomes users and ACLs
of Kafka, in one request for each of both, while the next ones are under way; and each resource then gets its status.
`python -m bench.access_floor` reads an `AccessWork` as JSON from standard input and prints what it measured as JSON.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from bench.access_manifests import (
    FLOOR_CLUSTER,
    floor_secret,
    floor_status,
    grants,
    secret_path,
    subscription,
    subscriptions_path,
    user_name,
)
from bench.api_server import ApiServer, fifty_at_once
from bench.floor import Pipeline
from bench.manifests import names
from eventplane.planning.access_state import Grant

AccessTask = Literal["create", "delete"]

_ANSWER_SECONDS: Final = 60
_ITERATIONS: Final = 4096
"""The least that Kafka takes."""
_PER_REQUEST: Final = 4500
"""Kafka refuses a request of more than 10,000 metadata records, and a Subscription has two ACLs."""


@dataclass(frozen=True)
class AccessWork:
    """What the floor is to do."""

    task: AccessTask
    kubeconfig: str
    namespace: str
    prefix: str
    count: int
    kafka: dict[str, Any] = field(repr=False)
    """confluent-kafka's settings; they hold a password."""


async def create(work: AccessWork, api: ApiServer, admin: AdminClient) -> dict[str, float]:
    """Create Subscriptions with all that belongs to them; return the seconds, and the requests to Kafka by API."""
    path, namespace = subscriptions_path(work.namespace), work.namespace
    passwords: dict[str, str] = {}

    async def request(name: str) -> None:
        uid = orjson.loads(await api.send("POST", path, subscription(name)))["metadata"]["uid"]
        passwords[name] = secrets.token_urlsafe(32)
        secret = floor_secret(namespace, name, uid, passwords[name], work.kafka)
        await api.apply(secret_path(namespace, name), orjson.dumps(secret))

    def change(part: Sequence[str]) -> None:
        users: list[Any] = [_user(user_name(FLOOR_CLUSTER, namespace, name), passwords[name]) for name in part]
        acls = [
            _acl(user_name(FLOOR_CLUSTER, namespace, name), grant) for name in part for grant in grants(namespace, name)
        ]
        _await(
            admin.alter_user_scram_credentials(users, request_timeout=_ANSWER_SECONDS),
            admin.create_acls(acls, request_timeout=_ANSWER_SECONDS),
        )

    async def report(name: str) -> object:
        return await api.send("PATCH", f"{path}/{name}/status", floor_status(namespace, name))

    pipeline = Pipeline(request, change, report, _PER_REQUEST)
    seconds = await pipeline.run(names(work.prefix, work.count))
    return {"seconds": seconds, "kafka_requests_of_each_api": pipeline.batches}


async def delete(work: AccessWork, api: ApiServer, admin: AdminClient) -> dict[str, float]:
    """Delete Subscriptions, then all their users and ACLs; their Secrets are left to the garbage collector."""
    path, resources = subscriptions_path(work.namespace), names(work.prefix, work.count)
    users = [user_name(FLOOR_CLUSTER, work.namespace, name) for name in resources]

    def remove(part: Sequence[str]) -> None:
        passwords: list[Any] = [UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512) for user in part]
        _await(
            admin.alter_user_scram_credentials(passwords, request_timeout=_ANSWER_SECONDS),
            admin.delete_acls([_every_acl(user) for user in part], request_timeout=_ANSWER_SECONDS),
        )

    begun = time.perf_counter()
    await fifty_at_once(api.send("DELETE", f"{path}/{name}") for name in resources)
    for part in _parts(users):
        await asyncio.to_thread(remove, part)
    return {"seconds": time.perf_counter() - begun}


def _user(user: str, password: str) -> UserScramCredentialUpsertion:
    information = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    return UserScramCredentialUpsertion(user, information, password.encode())


def _acl(user: str, grant: Grant) -> AclBinding:
    kind, literal = ResourceType[grant.resource], ResourcePatternType.LITERAL
    operation = AclOperation[grant.operation]
    return AclBinding(kind, grant.name, literal, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _every_acl(user: str) -> AclBindingFilter:
    anything: Any = None
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        f"User:{user}",
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _parts(users: Sequence[str]) -> Iterable[Sequence[str]]:
    return (users[begin : begin + _PER_REQUEST] for begin in range(0, len(users), _PER_REQUEST))


def _await(*requests: Mapping[Any, Future[Any]]) -> None:
    for futures in requests:
        for future in futures.values():
            future.result()


async def _main() -> None:
    work = AccessWork(**orjson.loads(sys.stdin.buffer.read()))
    admin = AdminClient(work.kafka)
    async with ApiServer.connect(Path(work.kubeconfig)) as api:
        await api.open_connections()
        await asyncio.to_thread(admin.list_topics, timeout=_ANSWER_SECONDS)  # connected, as the operator is
        busy = time.process_time()
        measured = await {"create": create, "delete": delete}[work.task](work, api, admin)
        print(orjson.dumps(measured | {"cpu_seconds": time.process_time() - busy}).decode())


if __name__ == "__main__":
    asyncio.run(_main())
