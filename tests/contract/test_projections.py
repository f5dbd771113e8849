"""Every event counts once in a view, whatever breaks, and however many work at it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from contract.projection_arenas import BrokenError, PostgresViews, SqliteViews
from contract.store_arenas import event

from eventplane.eventstore import BEGINNING, EventStore, catch_up, follow, rebuild

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from contract.projection_arenas import Balances, ProjectionArena

    from e2e.servers.postgres import Postgres


@dataclass
class Site:
    """A store with three accounts, and a place for views."""

    store: EventStore
    views: ProjectionArena

    async def move(self, *amounts: int) -> None:
        for number, amount in enumerate(amounts):
            await self.store.append_event(f"a-{number % 3}", event("account.moved", amount=amount))

    async def wanted(self) -> Balances:
        found: Balances = {}
        async for each in self.store.stream_all():
            balance, events = found.get(each.aggregate_id, (0, 0))
            found[each.aggregate_id] = (3 * balance + each.event.data["amount"], events + 1)
        return found


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    views: ProjectionArena
    if request.param == "sqlite":
        url, views = f"sqlite:///{tmp_path / 'events.db'}", SqliteViews(str(tmp_path / "views.db"))
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.create_database(tmp_path.name)
        views = PostgresViews(server.create_database(f"{tmp_path.name}-views"))
    async with EventStore(url) as store:
        yield Site(store, views)


async def test_a_view_catches_up_and_knows_how_far_it_is(site: Site) -> None:
    view = site.views.view()
    assert await view.position() == BEGINNING
    assert await catch_up(site.store, view) == BEGINNING
    await site.move(*range(1, 26))
    position = await catch_up(site.store, view, batch=10)
    assert site.views.balances() == await site.wanted()
    await view.close()
    again = site.views.view()
    assert await again.position() == position
    await site.move(5)
    assert await catch_up(site.store, again) > position
    assert site.views.balances() == await site.wanted()
    await again.close()


async def test_a_change_that_raises_changes_nothing_and_the_rest_goes_on_from_there(site: Site) -> None:
    await site.move(*range(1, 20))
    site.views.fault.at = 15
    view = site.views.view()
    with pytest.raises(BrokenError):
        await catch_up(site.store, view, batch=10)
    assert sum(events for _, events in site.views.balances().values()) == 10, "the batch before, whole"
    site.views.fault.at = None
    await catch_up(site.store, view, batch=10)
    assert site.views.balances() == await site.wanted()
    await view.close()


async def test_two_that_work_at_one_view_count_no_event_twice(site: Site) -> None:
    views = [site.views.view() for _ in range(3)]
    over = asyncio.Event()
    working = [asyncio.create_task(follow(site.store, view, over, batch=4)) for view in views]
    for _ in range(4):
        await site.move(*range(1, 16))
    position = await catch_up(site.store, views[0])
    over.set()
    await asyncio.gather(*working)
    assert {await view.position() for view in views} == {position}
    assert site.views.balances() == await site.wanted()
    for view in views:
        await view.close()


async def test_events_that_do_not_follow_are_not_applied(site: Site) -> None:
    await site.move(1, 2)
    view = site.views.view()
    events = [each async for each in site.store.stream_all()]
    assert await view.position() == BEGINNING
    assert not await view.apply(events[1:], events[0].position)
    assert await view.position() == BEGINNING
    assert await view.apply(events, BEGINNING)
    assert not await view.apply(events, BEGINNING), "a second time"
    assert site.views.balances() == await site.wanted()
    await view.close()


async def test_made_anew_it_is_the_same(site: Site) -> None:
    await site.move(*range(1, 31))
    view = site.views.view()
    position = await catch_up(site.store, view)
    before = site.views.balances()
    assert await rebuild(site.store, view, batch=7) == position
    assert site.views.balances() == before == await site.wanted()
    await view.close()
