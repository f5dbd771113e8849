"""The contract of exchanges: in memory, and on a real broker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from contract.exchange_arenas import Copyist, ExchangeArena, KafkaExchanges, MemoryExchanges
from contract.transport_arenas import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventplane.transports.seams import Exchange


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def exchanges(request: pytest.FixtureRequest) -> AsyncIterator[ExchangeArena]:
    """A log of every kind."""
    if request.param == "memory":
        yield MemoryExchanges()
    else:
        yield KafkaExchanges(request.getfixturevalue("kafka"))


@asynccontextmanager
async def working(exchange: Exchange, copyist: Copyist) -> AsyncIterator[Copyist]:
    """Work until the context ends; what was made is committed then."""
    exchange.start(copyist)
    try:
        await until(lambda: copyist.assignments > 0 or copyist.is_over)
        yield copyist
    finally:
        await exchange.stop()
        await until(lambda: copyist.is_over)


def prepared(exchanges: ExchangeArena, topic: str, count: int) -> str:
    """Make a topic of one partition with so many records, and one to copy them to; return that."""
    exchanges.create(topic)
    exchanges.create(f"{topic}.out")
    for number in range(count):
        exchanges.append(topic, b"k", b"%d" % number)
    return f"{topic}.out"


async def test_what_is_made_is_there_with_its_offsets(exchanges: ExchangeArena, topic: str) -> None:
    out = prepared(exchanges, topic, 50)
    async with working(exchanges.exchange(f"g-{topic}", topic), Copyist(out)) as copyist:
        await until(lambda: copyist.certain == 50)
        assert exchanges.values(out) == [b"%d" % number for number in range(50)]
        assert exchanges.exchange("other", topic).seconds_since_poll() < 30
    assert copyist.problem is None
    exchanges.append(topic, b"k", b"50")
    async with working(exchanges.exchange(f"g-{topic}", topic), Copyist(out)) as after:
        await until(lambda: after.certain == 1)
    assert exchanges.values(out) == [b"%d" % number for number in range(51)]


async def test_what_is_refused_is_told_and_all_is_made_again_without_it(exchanges: ExchangeArena, topic: str) -> None:
    """Nothing of the transaction is seen until the one who is to blame is found, and left out."""
    out = prepared(exchanges, topic, 10)
    copyist = Copyist(out)
    copyist.enlarged = {(topic, 0): {4}}
    async with working(exchanges.exchange(f"g-{topic}", topic), copyist):
        await until(lambda: copyist.certain >= 10)
    assert copyist.undone_times > 0
    assert [(write.offset, failure.reason) for write, failure in copyist.refusals] == [(4, "Rejected")]
    assert exchanges.values(out) == [b"%d" % number for number in range(10) if number != 4]


async def test_a_topic_that_is_not_there_is_told(exchanges: ExchangeArena, topic: str) -> None:
    exchanges.create(topic)
    exchanges.append(topic, b"k", b"v")
    copyist = Copyist(f"{topic}.none")
    async with working(exchanges.exchange(f"g-{topic}", topic), copyist):
        await until(lambda: bool(copyist.refusals))
        await until(lambda: copyist.certain == 1)
    ((_write, failure), *_) = copyist.refusals
    assert (failure.reason, f"{topic}.none" in failure.message) == ("Unavailable", True)


async def test_what_waits_is_read_on_from_there(exchanges: ExchangeArena, topic: str) -> None:
    out = prepared(exchanges, topic, 20)
    copyist = Copyist(out)
    copyist.waits = {(topic, 0): {7: 2.0, 12: 0.1}}
    async with working(exchanges.exchange(f"g-{topic}", topic), copyist):
        await until(lambda: exchanges.values(out) == [b"%d" % number for number in range(7)])
        await until(lambda: copyist.certain >= 20)
    assert exchanges.values(out) == [b"%d" % number for number in range(20)]
    assert copyist.undone_times == 0


async def test_partitions_are_handed_over_with_nothing_twice(exchanges: ExchangeArena, topic: str) -> None:
    out = f"{topic}.out"
    exchanges.create(topic, 4)
    exchanges.create(out)
    one, other = Copyist(out), Copyist(out)
    async with working(exchanges.exchange(f"g-{topic}", topic), one):
        await until(lambda: len(one.places) == 4)
        for number in range(100):
            exchanges.append(topic, b"%d" % number, b"%d" % number)
        async with working(exchanges.exchange(f"g-{topic}", topic), other):
            await until(lambda: len(one.places) == 2 and len(other.places) == 2)
            for number in range(100, 200):
                exchanges.append(topic, b"%d" % number, b"%d" % number)
            await until(lambda: one.certain + other.certain == 200)
        await until(lambda: len(one.places) == 4)
        exchanges.append(topic, b"last", b"last")
        await until(lambda: one.certain + other.certain == 201)
    found = exchanges.values(out)
    assert len(found) == len(set(found)) == 201


async def test_what_begins_at_the_end_of_a_topic_goes_on_from_there(exchanges: ExchangeArena, topic: str) -> None:
    out = prepared(exchanges, topic, 1)
    async with working(exchanges.exchange(f"g-{topic}", topic, start_from="Latest"), Copyist(out)) as copyist:
        await until(lambda: len(copyist.places) == 1)
    exchanges.append(topic, b"k", b"new")
    async with working(exchanges.exchange(f"g-{topic}", topic, start_from="Latest"), Copyist(out)) as copyist:
        await until(lambda: copyist.certain == 1)
        await asyncio.sleep(0)
    assert exchanges.values(out) == [b"new"]
    assert replace(copyist.last, waits={}).positions == {(topic, 0): 2}
