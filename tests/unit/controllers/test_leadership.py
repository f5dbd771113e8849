"""Who leads: taken, lost, and given back; with the library's campaign replaced by one that a test conducts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client import ApiException
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from eventplane.controllers import leadership


@dataclass
class Campaign:
    """Stands for `LeaderElection`: what it observes and when it ends is the test's."""

    config: Any
    won: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    observed_record: Any = None
    observed_time_milliseconds: float = 0

    @property
    def election_config(self) -> Any:
        return self.config

    def renew(self, holder: str = "me") -> None:
        self.observed_record = SimpleNamespace(holder_identity=holder)
        self.observed_time_milliseconds = time.time() * 1000

    async def run(self) -> None:
        await self.won.wait()
        if self.error is not None:
            raise self.error
        self.renew()
        await self.config.onstarted_leading()
        await self.over.wait()


@dataclass
class Stage:
    """A replica, and what it did."""

    task: asyncio.Task[None]
    campaigns: list[Campaign]
    patches: list[dict[str, Any]]
    acting: list[str]

    @property
    def campaign(self) -> Campaign:
        return self.campaigns[0]

    async def until(self, acting: list[str]) -> None:
        async with asyncio.timeout(2):
            while self.acting != acting:  # noqa: ASYNC110 - what is tested has no event for it
                await asyncio.sleep(0.001)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    campaigns: list[Campaign] = []
    patches: list[dict[str, Any]] = []
    acting: list[str] = []

    def campaign(config: Any) -> Campaign:
        campaigns.append(Campaign(config))
        return campaigns[-1]

    class Leases:
        def __init__(self, _: Any) -> None: ...

        async def patch_namespaced_lease(self, name: str, namespace: str, body: Any, **_: Any) -> None:
            patches.append({"name": name, "namespace": namespace, **body})

    @asynccontextmanager
    async def act() -> AsyncIterator[None]:
        acting.append("start")
        try:
            yield
        finally:
            acting.append("stop")

    monkeypatch.setattr(leadership, "LeaderElection", campaign)
    monkeypatch.setattr(leadership, "CoordinationV1Api", Leases)
    monkeypatch.setattr(leadership, "CHECK_SECONDS", 0.001)
    client: Any = SimpleNamespace(configuration=None)
    monkeypatch.setattr(LeaseLock, "__init__", _lock_without_client)
    task = asyncio.create_task(leadership.lead_by_lease(client, "lease", "ns", "me", act))
    await asyncio.sleep(0)
    yield Stage(task, campaigns, patches, acting)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _lock_without_client(self: Any, name: str, namespace: str, identity: str, _: Any) -> None:
    self.name, self.namespace, self.identity = name, namespace, identity


async def test_a_standby_does_not_act(stage: Stage) -> None:
    await asyncio.sleep(0.005)
    assert stage.acting == []
    stage.task.cancel()
    await asyncio.gather(stage.task, return_exceptions=True)
    assert stage.patches == []


async def test_who_wins_acts_and_gives_the_lease_back_when_told_to_stop(stage: Stage) -> None:
    stage.campaign.won.set()
    await stage.until(["start"])
    stage.task.cancel()
    await asyncio.gather(stage.task, return_exceptions=True)
    assert stage.acting == ["start", "stop"]
    assert stage.patches == [{"name": "lease", "namespace": "ns", "spec": {"holderIdentity": None}}]


async def test_who_cannot_renew_in_time_stops_acting_and_gives_nothing_back(stage: Stage) -> None:
    stage.campaign.won.set()
    await stage.until(["start"])
    stage.campaign.observed_time_milliseconds -= leadership.RENEW_DEADLINE_SECONDS * 1000
    await asyncio.wait_for(stage.task, 2)
    assert stage.acting == ["start", "stop"]
    assert stage.patches == []


async def test_who_sees_another_hold_the_lease_stops_and_does_not_take_it_away(stage: Stage) -> None:
    stage.campaign.won.set()
    await stage.until(["start"])
    stage.campaign.renew("another")
    await asyncio.wait_for(stage.task, 2)
    assert stage.acting == ["start", "stop"]
    assert stage.patches == []


async def test_a_campaign_that_ends_ends_the_lead(stage: Stage) -> None:
    stage.campaign.won.set()
    await stage.until(["start"])
    stage.campaign.over.set()
    await asyncio.wait_for(stage.task, 2)
    assert stage.acting == ["start", "stop"]


async def test_a_campaign_that_fails_does_not_leave_a_standby_that_can_never_lead(stage: Stage) -> None:
    stage.campaign.error = ValueError("a fault")
    stage.campaign.won.set()
    with pytest.raises(ValueError, match="a fault"):
        await asyncio.wait_for(asyncio.shield(stage.task), 2)
    assert stage.acting == []


@pytest.mark.parametrize(
    "error", [aiohttp.ClientConnectionError("refused"), TimeoutError(), OSError("reset"), ApiException(status=500)]
)
async def test_a_lease_that_cannot_be_asked_for_a_moment_is_no_end(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leases:
        def __getattr__(self, _: str) -> Any:
            async def fail(*_: Any, **__: Any) -> None:
                raise error

            return fail

    monkeypatch.setattr(LeaseLock, "__init__", _lock_without_client)
    client: Any = None
    lock: Any = leadership._Lock("lease", "ns", "me", client)  # noqa: SLF001 - the seam to the library
    lock.api_instance = Leases()
    lock.lease_reference = SimpleNamespace(spec=None)
    record = LeaderElectionRecord("me", "15", "2026-01-01 00:00:00.000001", "2026-01-01 00:00:00.000001")
    known, why = await lock.get("lease", "ns")
    assert not known
    assert isinstance(why, ApiException)
    assert not await lock.update("lease", "ns", record)
    assert not await lock.create("lease", "ns", record)
