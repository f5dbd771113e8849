"""Who leads: one replica holds a Lease and acts, the others stand by with everything already seen."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, CoordinationV1Api, V1Lease, V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

logger = logging.getLogger(__name__)

# client-go's defaults (k8s.io/client-go/tools/leaderelection)
LEASE_SECONDS: Final = 15
RENEW_DEADLINE_SECONDS: Final = 10
RETRY_SECONDS: Final = 2


CHECK_SECONDS: Final = 1.0

_NO_ANSWER: Final = (aiohttp.ClientError, TimeoutError, OSError)


class _Lock(LeaseLock):
    """A Lease that can be created: kubernetes 37's own lock hands its client an argument that this refuses.

    And one that outlasts an API server that does not answer for a moment, which ends the campaign of its own lock.
    """

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """Read the Lease; False and why where it could not be read."""
        try:
            return await super().get(name, namespace)
        except _NO_ANSWER as error:
            return False, ApiException(status=0, reason=f"no answer ({type(error).__name__})")

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Renew the Lease; False where that failed."""
        try:
            return bool(await super().update(name, namespace, updated_record))
        except _NO_ANSWER as error:
            logger.warning("the Lease could not be renewed: no answer (%s)", type(error).__name__)
            return False

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create the Lease; False where another replica was faster or the API server refused."""
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except (ApiException, *_NO_ANSWER) as error:
            logger.warning("the Lease could not be created: %s", getattr(error, "reason", type(error).__name__))
            return False
        return True


async def lead_by_lease(
    client: ApiClient, name: str, namespace: str, identity: str, act: Callable[[], AbstractAsyncContextManager[None]]
) -> None:
    """Wait for the Lease, act while it is held, return when it is lost; give it back when told to stop."""
    held = asyncio.Event()

    async def started() -> None:
        held.set()

    async def stopped() -> None:
        return

    lock = _Lock(name, namespace, identity, client)
    election = LeaderElection(Config(lock, LEASE_SECONDS, RENEW_DEADLINE_SECONDS, RETRY_SECONDS, started, stopped))
    campaign = asyncio.create_task(election.run())
    try:
        await _until_held(held, campaign)
        async with act():
            await _until_lost(election, campaign)
            logger.error("the lead is lost")
    finally:
        campaign.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await campaign
        if held.is_set() and _is_fresh(election):
            await _give_back(client, name, namespace)


async def _until_held(held: asyncio.Event, campaign: asyncio.Task[None]) -> None:
    """Wait for the lead; a campaign that fails ends the process instead of leaving a standby that can never lead."""
    waiting = asyncio.create_task(held.wait())
    try:
        await asyncio.wait({waiting, campaign}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if campaign.done():
        campaign.result()


async def _until_lost(election: LeaderElection, campaign: asyncio.Task[None]) -> None:
    """Watch the renewals from outside: a request that hangs must not stretch the lead beyond its deadline."""
    while not campaign.done() and _is_fresh(election):  # noqa: ASYNC110 - the library has no event for it
        await asyncio.sleep(CHECK_SECONDS)


def _is_fresh(election: LeaderElection) -> bool:
    record, identity = election.observed_record, election.election_config.lock.identity
    age = time.time() * 1000 - election.observed_time_milliseconds
    return record is not None and record.holder_identity == identity and bool(age < RENEW_DEADLINE_SECONDS * 1000)


async def _give_back(client: ApiClient, name: str, namespace: str) -> None:
    """Let the next replica lead at once instead of after the Lease has run out."""
    try:
        await CoordinationV1Api(client).patch_namespaced_lease(
            name,
            namespace,
            {"spec": {"holderIdentity": None}},
            _content_type="application/merge-patch+json",
            _request_timeout=5,
        )
    except Exception:  # noqa: BLE001 - the process ends either way, and the Lease runs out by itself
        logger.warning("the Lease could not be given back; it runs out by itself")
