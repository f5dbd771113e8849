"""Credentials that rotate, through the loop, in memory."""

import asyncio
from functools import partial
from typing import Any

from builders import CLUSTER, publication
from unit.controllers.world import World, access_world

from eventplane.api import ROTATE_ANNOTATION
from eventplane.api.access import CredentialsStatus
from eventplane.api.publication import Publication
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access_desired import user_name
from eventplane.planning.access_state import Grant, other_user
from eventplane.planning.outcome import Rejected, Unavailable

KEY, SECRET = ("shop", "web"), ("shop", "web-publication")
FIRST = user_name(publication("web"), CLUSTER)
SECOND = other_user(FIRST)
WRITE = Grant("TOPIC", "shop.orders", "WRITE")


def turned(world: World) -> str:
    """Whom the Secret names."""
    return (world.kubernetes.secret(*SECRET) or {}).get("username", "")


def let_in(world: World) -> set[str]:
    """Who has a password and may write."""
    known = {user for user in (FIRST, SECOND) if world.principals.iterations(user, "SCRAM-SHA-512") is not None}
    return {user for user in known if world.principals.acls(user) == {Acl(user, WRITE)}}


def has_the_turn_alone(world: World, user: str) -> bool:
    return turned(world) == user and let_in(world) == {user}


def credentials(world: World) -> CredentialsStatus | None:
    shown = world.kubernetes.show(Publication, KEY)
    return shown.status.credentials if shown is not None else None


def rotating(**fields: Any) -> World:
    return access_world(publication("web", **fields))


def ask(world: World, text: str = "now") -> None:
    world.kubernetes.annotate(Publication, KEY, {ROTATE_ANNOTATION: text})


async def test_an_annotation_rotates_at_once_and_the_user_before_goes_when_its_grace_is_over() -> None:
    world = rotating()
    async with world.operator() as operator:
        await world.until(lambda: turned(world) == FIRST and let_in(world) == {FIRST})
        before = world.kubernetes.secret(*SECRET) or {}
        ask(world)
        await world.until(lambda: turned(world) == SECOND)
        await operator.settle()
        assert let_in(world) == {FIRST, SECOND}
        assert world.principals.logs_in(FIRST, "SCRAM-SHA-512", before["password"])
        assert credentials(world) == CredentialsStatus(
            issued_at="2026-01-02T00:00:00Z", retiring=FIRST, retires_at="2026-01-02T01:00:00Z"
        )
        world.pass_time(3599)
        operator.dispatcher.publications.mark_all()
        await operator.settle()
        assert let_in(world) == {FIRST, SECOND}
        world.pass_time(1)
        operator.dispatcher.publications.mark_all()
        await world.until(lambda: let_in(world) == {SECOND})
        await operator.settle()
        assert credentials(world) == CredentialsStatus(issued_at="2026-01-02T00:00:00Z")
        assert [each for each in world.posted() if each in {"CredentialsRotated", "UserRetired"}] == [
            "CredentialsRotated",
            "UserRetired",
        ]


async def test_users_take_turns() -> None:
    world = rotating(credentials={"grace": "0s"})
    async with world.operator():
        for number, user in enumerate((FIRST, SECOND, FIRST, SECOND)):
            ask(world, str(number))
            await world.until(partial(has_the_turn_alone, world, user))


async def test_what_becomes_due_is_done_then_and_not_only_with_the_next_resync() -> None:
    world = rotating(credentials={"rotate_every": "1m", "grace": "1s"})
    async with world.operator() as operator:
        await world.until(lambda: let_in(world) == {FIRST})
        world.pass_time(59.9)
        operator.dispatcher.publications.mark_all()
        await operator.settle()
        assert turned(world) == FIRST
        world.pass_time(0.1)  # nobody marks it
        await world.until(lambda: turned(world) == SECOND)
        world.pass_time(1)
        await world.until(lambda: let_in(world) == {SECOND})


async def test_to_look_again_writes_nothing() -> None:
    world = rotating(credentials={"grace": "0s"})
    async with world.operator() as operator:
        await world.until(lambda: let_in(world) == {FIRST})
        ask(world)
        await world.until(lambda: has_the_turn_alone(world, SECOND))
        await operator.settle()
        written, lane = len(world.kubernetes.writes), operator.dispatcher.publications.lanes["shop", "main"]
        looked = len(world.kubernetes.reads)
        lane.queue.add_later(KEY, 0.001)
        await world.until(lambda: len(world.kubernetes.reads) > looked)
        await operator.settle()
        assert len(world.kubernetes.writes) == written


async def test_a_rotation_whose_secret_is_not_written_is_made_up_for() -> None:
    world = rotating(credentials={"grace": "0s"})
    async with world.operator() as operator:
        await world.until(lambda: let_in(world) == {FIRST})
        await operator.settle()
        world.kubernetes.fail_next("PATCH /api/v1/namespaces/shop/secrets", Unavailable("no answer"))
        ask(world)
        await world.until(lambda: not all(each.ok for each in world.kubernetes.writes))
        assert turned(world) == FIRST
        await world.until(lambda: has_the_turn_alone(world, SECOND))


async def test_a_rotation_that_kafka_does_not_answer_is_made_up_for() -> None:
    world = rotating(credentials={"grace": "0s"})
    async with world.operator():
        await world.until(lambda: let_in(world) == {FIRST})
        world.principals.available = False
        ask(world)
        await asyncio.sleep(0.01)
        assert turned(world) == FIRST
        world.principals.available = True
        await world.until(lambda: has_the_turn_alone(world, SECOND))


async def test_a_rotation_that_is_rejected_leaves_the_user_before_and_is_not_tried_in_haste() -> None:
    world = rotating(credentials={"grace": "0s"})
    async with world.operator() as operator:
        await world.until(lambda: let_in(world) == {FIRST})
        rejected = Rejected("InternalError", "the API server answered 422")  # type: ignore[arg-type]
        world.kubernetes.fail_next("PATCH /api/v1/namespaces/shop/secrets", rejected, times=100)
        ask(world)
        await world.until(lambda: let_in(world) == {FIRST, SECOND})
        await operator.settle()
        await asyncio.sleep(0.05)
        attempts = [write for write in world.kubernetes.writes if write.what == "secret" and not write.ok]
        assert (turned(world), len(attempts)) == (FIRST, 1)


async def test_both_users_go_with_their_resource() -> None:
    world = rotating()
    async with world.operator():
        await world.until(lambda: let_in(world) == {FIRST})
        ask(world)
        await world.until(lambda: let_in(world) == {FIRST, SECOND})
        world.kubernetes.delete(Publication, KEY)
        await world.until(lambda: world.principals.users() == frozenset())
