"""The credentials that a bus hands out for its registry, through the loop, in memory."""

from typing import Any

from builders import consumer, event_bus, publication
from unit.controllers.world import SCRAM_BUS, World, access_world

from eventplane.api import REGISTRY_LOGIN_ANNOTATION
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.subscription import Subscription
from eventplane.planning.objects import ObjectKey
from eventplane.planning.verdicts import condition

WEB, BILLING = publication("web"), consumer()
DEPLOYMENT = ObjectKey("apps/v1", "Deployment", "shop", "billing-subscription")
READERS = {"authentication": {"secret_ref": {"name": "readers"}}}
REGISTRY: dict[str, Any] = {
    "url": "http://registry:8081",
    "authentication": {"secret_ref": {"name": "registry-admin"}},
    "applications": READERS,
}


def registry_world(password: str | None = "hunter1") -> World:  # noqa: S107 - of no server
    """Make a world whose bus hands out a reader's password, if that is there."""
    world = access_world(WEB, BILLING)
    world.kubernetes.put_secret("shop", "registry-admin", {"username": "admin", "password": "admins-own"})
    renew(world, password)
    world.kubernetes.put(event_bus(kafka=SCRAM_BUS.spec.kafka.model_dump(), schema_registry=REGISTRY))
    return world


def renew(world: World, password: str | None) -> None:
    secret = {"username": "reader", "password": password} if password is not None else None
    world.kubernetes.put_secret("shop", "readers", secret)


def handed_out(world: World, name: str) -> str | None:
    return (world.kubernetes.secret("shop", name) or {}).get("schemaRegistryPassword")


def told(world: World) -> str | None:
    shown = world.kubernetes.objects.show(DEPLOYMENT)
    if shown is None:
        return None
    annotations: dict[str, str] = shown["spec"]["template"]["metadata"]["annotations"]
    return annotations.get(REGISTRY_LOGIN_ANNOTATION)


async def test_another_password_in_the_secret_of_the_bus_reaches_applications_and_replaces_pods() -> None:
    world = registry_world()
    async with world.operator(refresh_seconds=0.01) as operator:
        await world.until(lambda: handed_out(world, "web-publication") == "hunter1" and told(world) is not None)
        before = world.kubernetes.secret("shop", "web-publication") or {}
        assert told(world) == "2026-01-02T00:00:00Z"
        world.pass_time(60)
        renew(world, "hunter3")
        await world.until(lambda: handed_out(world, "web-publication") == "hunter3")
        await world.until(lambda: told(world) == "2026-01-02T00:01:00Z")
        await operator.settle()
        after = world.kubernetes.secret("shop", "web-publication") or {}
        assert after["password"] == before["password"], "Kafka's is another matter"
        assert handed_out(world, "billing-subscription") == "hunter3"
        assert "DriftRepaired" not in world.posted()
    for write in world.kubernetes.writes:
        assert "admins-own" not in repr(write.body)
        assert write.what == "secret" or not any(each in repr(write.body) for each in ("hunter1", "hunter3"))


async def test_without_the_secret_that_the_bus_names_applications_wait_and_are_told_of_it() -> None:
    world = registry_world(password=None)
    async with world.operator(refresh_seconds=0.01):

        def said() -> str:
            shown = world.kubernetes.show(Subscription, BILLING.metadata.key)
            ready = condition(shown.status.conditions, ConditionType.READY) if shown is not None else None
            return f"{ready.reason}: {ready.message}" if ready is not None else ""

        await world.until(lambda: "shop/readers" in said())
        assert said().startswith(Reason.BUS_UNAVAILABLE)
        renew(world, "hunter4")
        await world.until(lambda: handed_out(world, "billing-subscription") == "hunter4")
