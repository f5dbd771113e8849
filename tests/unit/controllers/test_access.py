"""Publications and Subscriptions through the loop, in memory: their Secrets, their users, and what they wait for."""

import asyncio

import pytest
from builders import CLUSTER, event_bus, event_topic, publication, subscription
from unit.controllers.world import SCRAM_BUS, World, access_world

from eventplane.api.access import Access
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_topic import EventTopic
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access_desired import user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.verdicts import condition

WEB, BILLING = publication("web"), subscription("billing")
WRITER, READER = user_name(WEB, CLUSTER), user_name(BILLING, CLUSTER)
WRITE, READ = Grant("TOPIC", "shop.orders", "WRITE"), Grant("TOPIC", "shop.orders", "READ")
GROUP = Grant("GROUP", "shop.billing", "READ")


def said(
    world: World, of: Publication | Subscription = WEB, kind: ConditionType = ConditionType.READY
) -> tuple[str, str]:
    """Status and reason of a condition; two dashes while there is none."""
    key = of.metadata.key
    shown: Access | None
    if isinstance(of, Publication):
        shown = world.kubernetes.show(Publication, key)
    else:
        shown = world.kubernetes.show(Subscription, key)
    found = condition(shown.status.conditions, kind) if shown else None
    return (found.status, found.reason) if found else ("-", "-")


def grants(world: World, user: str) -> set[Grant]:
    return {acl.grant for acl in world.principals.acls(user)}


def logs_in(world: World, user: str, secret_name: str) -> bool:
    secret = world.kubernetes.secret("shop", secret_name) or {}
    return secret.get("user") == user and world.principals.logs_in(user, "SCRAM-SHA-512", secret["password"])


async def test_applications_get_a_secret_a_user_and_exactly_what_they_ask_for() -> None:
    world = access_world(WEB, BILLING)
    async with world.operator():
        await world.until(lambda: said(world, WEB) == said(world, BILLING) == ("True", "Ready"))
        assert logs_in(world, WRITER, "web-publication")
        assert logs_in(world, READER, "billing-subscription")
        assert grants(world, WRITER) == {WRITE}
        assert grants(world, READER) == {READ, GROUP}
        shown = world.kubernetes.show(Subscription, BILLING.metadata.key)
        assert shown is not None
        assert (shown.status.group, shown.status.principal) == ("shop.billing", READER)


async def test_a_second_pass_changes_nothing() -> None:
    world = access_world(WEB, BILLING)
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until(lambda: said(world, WEB) == said(world, BILLING) == ("True", "Ready"))
        await operator.settle()
        written, users = len(world.kubernetes.writes), world.principals.users()
        looked = len(world.kubernetes.reads)
        await world.until(lambda: len(world.kubernetes.reads) > looked + 8, "two more passes")
        assert len(world.kubernetes.writes) == written
        assert world.principals.users() == users


async def test_no_password_is_in_a_status_or_an_event() -> None:
    world = access_world(WEB)
    async with world.operator():
        await world.until(lambda: said(world) == ("True", "Ready"))
        password = (world.kubernetes.secret("shop", "web-publication") or {})["password"]
        assert len(password) >= 40
        told = [str(write.body) for write in world.kubernetes.writes if write.what != "secret"]
        assert told
        assert not any(password in each for each in told)


async def test_who_waits_for_a_topic_moves_the_moment_it_is_made() -> None:
    world = access_world(BILLING, topics=())
    async with world.operator():
        await world.until(lambda: said(world, BILLING) == ("False", Reason.TOPIC_NOT_FOUND))
        assert grants(world, READER) == {GROUP}
        world.kubernetes.put(event_topic())
        await world.until(lambda: said(world, BILLING) == ("True", "Ready"))
        assert grants(world, READER) == {READ, GROUP}
        world.kubernetes.delete(EventTopic, ("shop", "orders"))
        await world.until(lambda: said(world, BILLING) == ("False", Reason.TOPIC_NOT_FOUND))
        assert grants(world, READER) == {GROUP}


async def test_nobody_gets_at_a_topic_through_a_resource_that_may_not_have_it() -> None:
    world = access_world(BILLING, topics=(event_topic("theirs", "other", topic_name="secret"),))
    world.kubernetes.put(event_topic("orders", topic_name="secret", mode="Observe"))
    async with world.operator() as operator:
        await world.until(lambda: said(world, BILLING) == ("False", Reason.TOPIC_NOT_READY))
        await operator.settle()
        assert grants(world, READER) == {GROUP}


async def test_a_user_goes_with_its_resource_and_the_others_stay() -> None:
    world = access_world(WEB, BILLING)
    world.principals.set_password("human", "SCRAM-SHA-512", "p", 4096)
    world.principals.set_password("eventplane.elsewher.shop.web.publication", "SCRAM-SHA-512", "p", 4096)
    async with world.operator():
        await world.until(lambda: said(world, WEB) == said(world, BILLING) == ("True", "Ready"))
        world.kubernetes.delete(Publication, WEB.metadata.key)
        await world.until(lambda: WRITER not in world.principals.users())
        assert world.principals.users() == {"human", "eventplane.elsewher.shop.web.publication", READER}


async def test_a_user_whose_resource_went_unseen_is_removed_at_the_start() -> None:
    world = access_world(BILLING)
    world.principals.add_acl(Acl(WRITER, WRITE))
    async with world.operator():
        await world.until(lambda: WRITER not in world.principals.users())
        await world.until(lambda: said(world, BILLING) == ("True", "Ready"))


async def test_a_namespace_that_is_not_let_in_any_more_loses_its_users_and_gets_them_back() -> None:
    guest = publication("web", "other", bus_ref={"name": "main", "namespace": "shop"})
    world = access_world(guest, topics=(event_topic("orders", "other", bus_ref={"name": "main", "namespace": "shop"}),))
    user, kafka = user_name(guest, CLUSTER), SCRAM_BUS.spec.kafka
    world.kubernetes.put(event_bus(kafka=kafka, allowed_namespaces={"from": "All"}))
    async with world.operator():
        await world.until(lambda: said(world, guest) == ("True", "Ready"))
        world.kubernetes.put(event_bus(kafka=kafka))
        await world.until(lambda: user not in world.principals.users())
        assert said(world, guest)[1] == Reason.NAMESPACE_NOT_ALLOWED
        world.kubernetes.put(event_bus(kafka=kafka, allowed_namespaces={"from": "All"}))
        await world.until(lambda: grants(world, user) == {Grant("TOPIC", "other.orders", "WRITE")})


async def test_who_comes_while_users_are_swept_keeps_its_own() -> None:
    world = access_world()
    world.gates["users"] = asyncio.Event()
    world.principals.set_password(WRITER, "SCRAM-SHA-512", "left", 4096)
    async with world.operator() as operator:
        await world.until(lambda: world.waiting["users"])
        world.kubernetes.put(WEB)
        await world.until(lambda: WEB.metadata.key in operator.store.publications)
        world.gates["users"].set()
        await world.until(lambda: said(world) == ("True", "Ready"))
        await operator.settle()
        assert logs_in(world, WRITER, "web-publication")


async def test_what_is_changed_behind_our_back_is_put_back_with_the_next_resync() -> None:
    world = access_world(WEB)
    async with world.operator(resync_seconds=0.02):
        await world.until(lambda: said(world) == ("True", "Ready"))
        password = (world.kubernetes.secret("shop", "web-publication") or {})["password"]
        world.principals.add_acl(Acl(WRITER, Grant("TOPIC", "payroll", "READ")))
        world.principals.drop_acl(Acl(WRITER, WRITE))
        await world.until(lambda: grants(world, WRITER) == {WRITE})
        world.principals.set_password(WRITER, "SCRAM-SHA-512", "mine", 4096)
        await world.until(lambda: logs_in(world, WRITER, "web-publication"))
        world.kubernetes.put_secret("shop", "web-publication", None)
        await world.until(lambda: logs_in(world, WRITER, "web-publication"))
        assert (world.kubernetes.secret("shop", "web-publication") or {})["password"] != password
        await world.until(lambda: "DriftRepaired" in world.posted())


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(Unavailable("no answer", Reason.INTERNAL_ERROR), None, id="no answer"),
        pytest.param(
            Rejected(Reason.INTERNAL_ERROR, "the API server answered 403: secrets is forbidden"),
            Reason.SECRET_NOT_READABLE,
            id="no right",
        ),
        pytest.param(
            Rejected(Reason.INTERNAL_ERROR, "the API server answered 422: hunter2 is immutable"),
            Reason.REJECTED,
            id="invalid",
        ),
    ],
)
async def test_a_user_is_made_only_when_its_secret_is_written(failure: Exception, told: Reason | None) -> None:
    world = access_world(WEB)
    world.kubernetes.fail_next("PATCH /api/v1/namespaces/shop/secrets/web-publication", failure)
    async with world.operator() as operator:
        if told is not None:
            await world.until(lambda: said(world) == ("False", told))
            assert WRITER not in world.principals.users()
            shown = world.kubernetes.show(Publication, WEB.metadata.key)
            assert shown is not None
            assert "hunter2" not in str(shown.status)
            operator.dispatcher.publications.mark_all()
        await world.until(lambda: said(world) == ("True", "Ready"))
        assert logs_in(world, WRITER, "web-publication")


async def test_a_secret_that_may_not_be_read_is_told() -> None:
    world = access_world(WEB)
    world.kubernetes.put_secret("shop", "web-publication", Rejected(Reason.INTERNAL_ERROR, "403"))
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.SECRET_NOT_READABLE))


async def test_a_bus_that_cannot_be_given_users_says_so() -> None:
    world = access_world(WEB)
    plain = {"type": "PLAIN", "secret_ref": {"name": "login"}}
    world.kubernetes.put(event_bus(kafka={"bootstrap_servers": ["kafka:9092"], "authentication": plain}))
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.IDENTITY_NOT_SUPPORTED))


async def test_a_bus_without_credentials_is_never_asked_for_its_users() -> None:
    world = access_world(WEB)
    world.kubernetes.put(event_bus())
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("True", "Ready"))
        await operator.settle()
        assert world.principals.users() == frozenset()


async def test_an_operator_that_may_not_list_users_goes_on() -> None:
    world = access_world(WEB)
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("True", "Ready"))

        async def users(prefix: str) -> frozenset[str]:
            raise Rejected(Reason.AUTHORIZATION_FAILED, f"may not list users with {prefix}")

        for backend in world.access_backends:
            backend.users = users  # type: ignore[method-assign]
        lane = operator.dispatcher.publications.lanes["shop", "main"]
        await lane.sweep(world.access_backends[0])
        assert not lane.leftovers.sweep_due


async def test_a_kafka_that_is_away_is_told_and_comes_back() -> None:
    world = access_world(WEB)
    world.principals.available = False
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.BUS_UNAVAILABLE))
        world.principals.available = True
        await world.until(lambda: said(world) == ("True", "Ready"))


async def test_a_topic_that_applications_name_is_not_deleted_if_idle() -> None:
    topic = event_topic(deletion_policy="DeleteIfIdle")
    world = access_world(BILLING, topics=(topic,))
    async with world.operator():
        await world.until(lambda: said(world, BILLING) == ("True", "Ready"))
        world.kubernetes.delete(EventTopic, ("shop", "orders"))
        await world.until(lambda: world.ready() == ("False", Reason.IN_USE))
        assert "named by Subscription shop/billing" in world.message()
        world.kubernetes.delete(Subscription, BILLING.metadata.key)
        await world.until(lambda: not world.exists())
