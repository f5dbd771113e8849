"""Applications that come with credentials of their own, through the loop, in memory."""

import pytest
from builders import CLUSTER, event_topic, mapping_bus, publication, subscription
from unit.controllers.world import World

from eventplane.api.access import Access
from eventplane.api.conditions import ConditionType
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access_desired import user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.mapped_principals import mark_of
from eventplane.planning.verdicts import condition

WEB, BILLING = publication("web"), subscription("billing")
WRITE, READ = Grant("TOPIC", "shop.orders", "WRITE"), Grant("TOPIC", "shop.orders", "READ")
GROUP, FOREIGN = Grant("GROUP", "shop.billing", "READ"), Grant("TOPIC", "payroll", "READ")


def mapped_world(*applications: Publication | Subscription) -> World:
    """Make a world with one bus whose applications come with certificates, a topic on it, and applications."""
    world = World()
    world.kubernetes.put_secret("shop", "pair", {"tls.crt": "CERT", "tls.key": "KEY"})
    world.kubernetes.put(mapping_bus())
    world.kubernetes.put(event_topic())
    for application in applications:
        world.kubernetes.put(application)
    return world


def may(world: World, user: str) -> set[Grant]:
    return {acl.grant for acl in world.principals.acls(user)}


def said(world: World, kind: type[Publication] | type[Subscription], name: str) -> str:
    shown: Access | None = world.kubernetes.show(kind, ("shop", name))  # type: ignore[type-var]  # of either kind
    ready = condition(shown.status.conditions, ConditionType.READY) if shown is not None else None
    return ready.reason if ready is not None else ""


async def test_principals_are_granted_what_is_asked_for_and_nobody_is_made() -> None:
    world = mapped_world(WEB, BILLING)
    world.principals.add_acl(Acl("CN=human", FOREIGN))
    async with world.operator() as operator:
        await world.until(lambda: said(world, Publication, "web") == said(world, Subscription, "billing") == "Ready")
        assert may(world, "CN=web.shop") == {WRITE, mark_of(user_name(WEB, CLUSTER))}
        assert may(world, "CN=billing.shop") == {READ, GROUP, mark_of(user_name(BILLING, CLUSTER))}
        assert "password" not in (world.kubernetes.secret("shop", "web-publication") or {})
        world.principals.add_acl(Acl("CN=web.shop", FOREIGN))
        operator.dispatcher.publications.mark_all()
        await world.until(lambda: FOREIGN not in may(world, "CN=web.shop"))
        world.kubernetes.delete(Publication, WEB.metadata.key)
        await world.until(lambda: not may(world, "CN=web.shop"))
        await operator.settle()
        assert may(world, "CN=billing.shop") == {READ, GROUP, mark_of(user_name(BILLING, CLUSTER))}
        assert may(world, "CN=human") == {FOREIGN}


@pytest.mark.parametrize("elder", ["publication", "subscription"])
async def test_of_two_with_one_principal_the_elder_has_it_and_after_it_the_other(elder: str) -> None:
    times = {each: f"202{int(each != elder)}-01-01T00:00:00Z" for each in ("publication", "subscription")}
    world = mapped_world(
        publication("app", uid="uid-p", creation_timestamp=times["publication"]),
        subscription("app", uid="uid-s", creation_timestamp=times["subscription"]),
    )
    kinds = (Publication, Subscription) if elder == "publication" else (Subscription, Publication)
    async with world.operator() as operator:
        await world.until(lambda: [said(world, each, "app") for each in kinds] == ["Ready", "PrincipalOwnedByAnother"])
        await operator.settle()
        assert (READ in may(world, "CN=app.shop")) is (elder == "subscription")
        assert (WRITE in may(world, "CN=app.shop")) is (elder == "publication")
        world.kubernetes.delete(kinds[0], ("shop", "app"))
        await world.until(lambda: not may(world, "CN=app.shop"))
        operator.dispatcher.publications.mark_all()  # which it would do by itself, half a minute later
        operator.dispatcher.subscriptions.mark_all()
        await world.until(lambda: said(world, kinds[1], "app") == "Ready")
        assert (READ in may(world, "CN=app.shop")) is (elder == "publication")


async def test_another_template_moves_what_is_granted() -> None:
    world = mapped_world(WEB)
    async with world.operator():
        await world.until(lambda: WRITE in may(world, "CN=web.shop"))
        world.kubernetes.put(mapping_bus("{{ namespace }}/{{ name }}"))
        await world.until(lambda: WRITE in may(world, "shop/web") and not may(world, "CN=web.shop"))


async def test_a_bus_with_another_name_for_the_same_kafka_takes_nothing_away() -> None:
    world = mapped_world(publication("web", bus_ref={"name": "main"}))
    world.kubernetes.put(mapping_bus("OU={{ namespace }},CN={{ name }}", name="other"))
    elsewhere = publication("second", bus_ref={"name": "other"})
    world.kubernetes.put(event_topic(bus_ref={"name": "main"}))
    world.kubernetes.put(elsewhere)
    async with world.operator() as operator:
        await world.until(lambda: bool(may(world, "CN=web.shop")) and bool(may(world, "OU=shop,CN=second")))
        for lane in operator.dispatcher.publications.lanes.values():
            lane.resource_gone()
        await operator.settle()
        assert WRITE in may(world, "CN=web.shop")
        assert mark_of(user_name(elsewhere, CLUSTER)) in may(world, "OU=shop,CN=second")
