"""Subscriptions with containers through the loop, in memory: what is made, what is watched, what is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import pytest
from builders import DEPLOYMENT, consumer, event_topic, metadata, pod, subscription
from unit.controllers.world import World, access_world

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_topic import EventTopic
from eventplane.api.subscription import Subscription, SubscriptionStatus
from eventplane.backends.kubernetes import Gone
from eventplane.backends.kubernetes_watch import Change
from eventplane.controllers import workload_watch
from eventplane.controllers.store import Store
from eventplane.controllers.workload_watch import WorkloadWatch, application_of, places_to_watch
from eventplane.planning.dependencies import Place
from eventplane.planning.objects import ObjectKey
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.verdicts import condition

BILLING = consumer()
KEY = BILLING.metadata.key
FORBIDDEN = 'the API server answered 403: deployments.apps is forbidden: User "x" cannot {} resource'


def of(kind: str, version: str = "v1") -> ObjectKey:
    return ObjectKey(version, kind, "shop", "billing-subscription")


def status(world: World) -> SubscriptionStatus:
    shown = world.kubernetes.show(Subscription, KEY)
    assert shown is not None
    return shown.status


def said(world: World, kind: ConditionType = ConditionType.READY) -> tuple[str, str]:
    found = condition(status(world).conditions, kind)
    return (found.status, found.reason) if found else ("-", "-")


def roll_out(world: World, pods: int | None = None) -> None:
    """Do as the Deployment's controller does: as many pods as asked for are at work, or as many as it is told."""

    def change(known: dict[str, Any]) -> None:
        asked = known["spec"]["replicas"]
        counts = {"replicas": asked, "updatedReplicas": asked, "availableReplicas": asked if pods is None else pods}
        known["status"] = {"observedGeneration": known["metadata"]["generation"], **counts}

    world.kubernetes.objects.edit(DEPLOYMENT, change)


def churned(counts: Mapping[str, int], known: dict[str, Any]) -> None:
    known["status"] |= counts


def keys(world: World) -> set[str]:
    return {each.kind for each in world.kubernetes.objects.keys()}  # noqa: SIM118 - no mapping


async def until_at_work(world: World) -> None:
    await world.until(lambda: DEPLOYMENT in world.kubernetes.objects.keys(), "a Deployment")  # noqa: SIM118
    roll_out(world)
    await world.until(lambda: said(world) == ("True", "Ready"), "at work")


async def test_a_container_is_made_after_its_access_and_seen_when_it_works() -> None:
    world = access_world(BILLING)
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))
        assert said(world, ConditionType.ACCESS_GRANTED) == ("True", "Ready")
        assert keys(world) == {"ServiceAccount", "Deployment"}
        roll_out(world)
        await world.until(lambda: said(world) == ("True", "Ready"))  # the watch tells, not the resync
        await operator.settle()
        assert said(world, ConditionType.WORKLOAD_READY) == ("True", "Ready")
        shown = status(world).workload
        assert shown is not None
        assert (shown.replicas, shown.updated, shown.available) == (1, 1, 1)


async def test_a_second_pass_changes_nothing_and_churn_is_not_told() -> None:
    world = access_world(BILLING)
    async with world.operator() as operator:
        await until_at_work(world)
        await operator.settle()
        written, read = len(world.kubernetes.writes), len(world.kubernetes.reads)
        for number in range(3):
            churn = {"collisionCount": number}
            world.kubernetes.objects.edit(DEPLOYMENT, partial(churned, churn))
            await asyncio.sleep(workload_watch.GATHER_SECONDS + 0.05)
        await world.until(lambda: len(world.kubernetes.reads) > read, "passes")
        await operator.settle()
        assert len(world.kubernetes.writes) == written


async def test_why_pods_do_not_start_is_told_at_once() -> None:
    world = access_world(BILLING)
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))
        roll_out(world, pods=0)
        owner = {"kind": "ReplicaSet", "name": "billing-subscription-1", "apiVersion": "apps/v1", "controller": True}
        labels = {"app.kubernetes.io/managed-by": "eventplane", "pod-template-hash": "1"}
        about = {
            "name": "billing-1",
            "namespace": "shop",
            "labels": labels,
            "annotations": {"events.sindhan.ai/subscription": "billing"},
            "ownerReferences": [owner],
        }
        broken = pod(waiting={"reason": "ErrImagePull", "message": "not found"})
        await asyncio.sleep(workload_watch.LOOK_SECONDS)
        world.kubernetes.objects.put({**broken, "apiVersion": "v1", "kind": "Pod", "metadata": about})
        await world.until(lambda: said(world) == ("False", Reason.PODS_NOT_STARTING))
        await world.until(lambda: "PodsNotStarting" in world.posted())
        shown = status(world).workload
        assert shown is not None
        assert [each.reason for each in shown.problems] == ["ImagePullBackOff"]


async def test_what_others_do_to_it_is_undone_at_once() -> None:
    world = access_world(BILLING)
    async with world.operator():
        await until_at_work(world)
        world.kubernetes.objects.edit(DEPLOYMENT, lambda known: known["spec"].update({"replicas": 7}))
        await world.until(lambda: (world.kubernetes.objects.show(DEPLOYMENT) or {})["spec"]["replicas"] == 1)
        await world.until(lambda: "DriftRepaired" in world.posted())
        await until_at_work(world)
        world.kubernetes.objects.delete(DEPLOYMENT)
        await world.until(lambda: DEPLOYMENT in world.kubernetes.objects.keys())  # noqa: SIM118


async def test_it_waits_for_its_topic_and_stays_when_that_goes() -> None:
    world = access_world(BILLING, topics=())
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("False", Reason.TOPIC_NOT_FOUND))
        assert keys(world) == set()
        world.kubernetes.put(event_topic())
        await until_at_work(world)
        made = world.kubernetes.objects.show(DEPLOYMENT)
        world.kubernetes.delete(EventTopic, ("shop", "orders"))
        await world.until(lambda: said(world) == ("False", Reason.TOPIC_NOT_FOUND))
        await operator.settle()
        assert world.kubernetes.objects.show(DEPLOYMENT) == made
        assert said(world, ConditionType.WORKLOAD_READY) == ("True", "Ready")


async def test_a_container_that_is_not_wanted_any_more_goes() -> None:
    world = access_world(consumer(scaling={"min": 2}))
    async with world.operator():
        await until_at_work(world)
        assert keys(world) == {"ServiceAccount", "Deployment", "PodDisruptionBudget"}
        world.kubernetes.put(BILLING)
        await world.until(lambda: keys(world) == {"ServiceAccount", "Deployment"})
        world.kubernetes.put(subscription())
        await world.until(lambda: keys(world) == set())
        await world.until(lambda: said(world) == ("True", "Ready"))
        assert (status(world).objects, status(world).workload) == ((), None)


async def test_a_sink_has_its_configuration() -> None:
    sink = {"topic_ref": {"name": "returns"}}
    world = access_world(subscription(sink=sink), topics=(event_topic(), event_topic("returns")))
    async with world.operator():
        await until_at_work(world)
        text = (world.kubernetes.objects.show(of("ConfigMap")) or {})["data"]["runtime.json"]
        assert '"topic": "shop.returns"' in text
        assert "WRITE topic shop.returns" in status(world).grants


async def test_a_sink_that_delivers_to_what_it_reads_is_refused() -> None:
    world = access_world(subscription(sink={"topic_ref": {"name": "orders"}}))
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.INVALID_SPEC))


@pytest.mark.parametrize("verb", ["GET", "PATCH"])
async def test_without_the_right_its_access_is_given_and_the_status_says_what_to_bind(verb: str) -> None:
    world = access_world(BILLING)
    error = Rejected(Reason.INTERNAL_ERROR, FORBIDDEN.format(verb.lower()))
    world.kubernetes.fail_next(f"{verb} /apis/apps/v1/namespaces/shop/deployments", error, times=3)
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("False", Reason.NOT_PERMITTED))
        assert said(world, ConditionType.ACCESS_GRANTED) == ("True", "Ready")
        found = condition(status(world).conditions, ConditionType.READY)
        assert found is not None
        assert "bind the ClusterRole eventplane-application" in found.message
        for _ in range(3):
            operator.dispatcher.subscriptions.mark_all()
            await operator.settle()
        await until_at_work(world)


async def test_no_container_is_made_whose_secret_was_not_written() -> None:
    world = access_world(BILLING)
    world.kubernetes.fail_next("PATCH /api/v1/namespaces/shop/secrets", Rejected(Reason.INTERNAL_ERROR, "422: no"))
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("False", Reason.REJECTED))
        assert keys(world) == set()
        operator.dispatcher.subscriptions.mark_all()
        await until_at_work(world)


async def test_pods_that_may_not_be_listed_are_not_told_of_and_all_else_is() -> None:
    world = access_world(BILLING)
    world.kubernetes.fail_next("/pods?", Rejected(Reason.INTERNAL_ERROR, FORBIDDEN.format("list")), times=99)
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))
        roll_out(world, pods=0)
        await world.until(lambda: (w := status(world).workload) is not None and w.available == 0)
        await until_at_work(world)


# --- what is watched

CONSUMER, RELAY = ("Subscription", "a"), ("Publication", "a")


def shown_as(**workload: Any) -> Subscription:
    counts = {"name": "billing-subscription", "replicas": 1, "updated": 1, "available": 1, **workload}
    return consumer(status=SubscriptionStatus.model_validate({"workload": counts}))


@pytest.mark.parametrize(
    ("resource", "places"),
    [
        pytest.param(subscription(), set(), id="no container"),
        pytest.param(shown_as(), {("shop", "deployments")}, id="all is at work"),
        pytest.param(shown_as(available=0), {("shop", "deployments"), ("shop", "pods")}, id="not all is at work"),
        pytest.param(shown_as(updated=0), {("shop", "deployments"), ("shop", "pods")}, id="it is being rolled out"),
    ],
)
def test_where_there_is_something_to_watch(resource: Subscription, places: set[tuple[str, str]]) -> None:
    store = Store()
    store.subscriptions.put(resource)
    assert places_to_watch(store) == places


@pytest.mark.parametrize(
    ("seen", "whose"),
    [
        ({"ownerReferences": [{"kind": "Subscription", "apiVersion": "events.sindhan.ai/v1", "name": "a"}]}, CONSUMER),
        ({"ownerReferences": [{"kind": "Publication", "apiVersion": "events.sindhan.ai/v1", "name": "a"}]}, RELAY),
        ({"ownerReferences": [{"kind": "EventBus", "apiVersion": "events.sindhan.ai/v1", "name": "a"}]}, None),
        ({"ownerReferences": [{"kind": "Subscription", "apiVersion": "messaging.knative.dev/v1", "name": "a"}]}, None),
        ({"ownerReferences": [{"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "a"}]}, None),
        ({"annotations": {"events.sindhan.ai/subscription": "a"}}, CONSUMER),
        ({"annotations": {"events.sindhan.ai/publication": "a"}}, RELAY),
        ({"annotations": None, "ownerReferences": None}, None),
    ],
)
def test_whose_an_object_is(seen: Mapping[str, Any], whose: tuple[str, str] | None) -> None:
    assert application_of(seen) == whose


class Script:
    """A watch that does what it is told, call by call."""

    def __init__(self, *calls: list[Change] | Exception) -> None:
        self.calls = list(calls)
        self.since: list[str] = []

    async def changes(self, path: str, selector: str, since: str = "") -> AsyncIterator[Change]:
        assert (path, selector) == (
            "/apis/apps/v1/namespaces/shop/deployments",
            "app.kubernetes.io/managed-by=eventplane",
        )
        self.since.append(since)
        call = self.calls.pop(0) if self.calls else []
        if isinstance(call, Exception):
            raise call
        for change in call:
            yield change
        if not self.calls:
            await asyncio.Event().wait()


def told(version: str, event: str = "MODIFIED", **fields: Any) -> Change:
    owner = {"kind": "Subscription", "apiVersion": "events.sindhan.ai/v1alpha1", "name": "billing"}
    return event, {"resourceVersion": version, "ownerReferences": [owner], **fields}


async def watched(script: Script, holds: Callable[[list[Place]], bool]) -> list[Place]:
    """Watch until something holds of what was marked."""
    store, marked = Store(), list[Place]()
    store.subscriptions.put(shown_as())
    task = asyncio.create_task(WorkloadWatch(script, store, marked.extend).run())
    try:
        async with asyncio.timeout(5):
            while not holds(marked):  # noqa: ASYNC110 - what marks knows of no Event
                await asyncio.sleep(0.01)
        return marked
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATHER_SECONDS", "FIRST_RETRY_SECONDS", "FORBIDDEN_RETRY_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(workload_watch, name, 0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("calls", "since"),
    [
        pytest.param([[told("5")], [told("6")]], ["", "5"], id="it ends: it goes on from there"),
        pytest.param([[told("5", "BOOKMARK")], [told("6")]], ["", "5"], id="a bookmark"),
        pytest.param([[told("5")], Unavailable("broke off"), [told("6")]], ["", "5", "5"], id="it breaks off"),
        pytest.param([[told("5")], Gone("too old"), [told("6")]], ["", "5", ""], id="too old: from the beginning"),
        pytest.param([Rejected(Reason.INTERNAL_ERROR, "403"), [told("6")]], ["", ""], id="no right"),
        pytest.param([[told("5")], KeyError("a fault"), [told("6")]], ["", "5", ""], id="a fault"),
    ],
)
async def test_a_watch_goes_on(calls: list[list[Change] | Exception], since: list[str]) -> None:
    script = Script(*calls)
    marked = await watched(script, lambda marked: bool(marked) and not script.calls)
    assert script.since == since
    assert set(marked) == {("Subscription", ("shop", "billing"))}


async def test_a_right_that_is_missing_is_told_once(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    del impatient
    script = Script(*[Rejected(Reason.INTERNAL_ERROR, "may not watch")] * 5, [told("1")])
    await watched(script, bool)
    warnings = [each for each in caplog.records if each.levelname == "WARNING" and "may not watch" in each.message]
    assert len(warnings) == 1


async def test_what_happens_in_a_row_is_one_pass() -> None:
    script = Script([told(str(number)) for number in range(9)])
    marked = await watched(script, bool)
    assert marked == [("Subscription", ("shop", "billing"))]


async def test_nobody_is_watched_any_more_who_has_nothing(impatient: None) -> None:
    del impatient
    script, store = Script([told("1")]), Store()
    store.subscriptions.put(shown_as())
    watch = WorkloadWatch(script, store, lambda _places: None)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0.05)
    store.subscriptions.remove(KEY, metadata("billing").uid)
    await asyncio.sleep(0.05)
    store.subscriptions.put(shown_as())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert script.since == ["", ""]
