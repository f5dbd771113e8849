"""Routes on the memory transports: each route of an event ends once, in its own order, whatever the others do."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.delivery.parts import config_of, until

from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.events.dead_letters import history_of
from eventplane.events.delivery import Failure
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySink, MemorySource, MemoryWriter

if TYPE_CHECKING:
    from eventplane.transports.seams import Answered

DOWN, REFUSED = Failure("Unavailable", "HTTP 503"), Failure("Rejected", "HTTP 400")
HTTP = {"http": {"url": "http://x/"}}
TO = [
    {"name": "all", **HTTP},
    {"name": "even", "filter": "event.data.number % 2 == 0", **HTTP},
    {"name": "copies", "topic": {"topic": "out"}},
]
RETRY: dict[str, Any] = {"attempts": 3, "delaysMs": [1, 2], "giveUpOn": ["Rejected"], "deadLetterTopic": "dlq"}


class World:
    """A log with a topic, and one consumer with three routes."""

    def __init__(self, **others: Any) -> None:
        self.log = MemoryLog()
        for topic, partitions in (("orders", 2), ("dlq", 1), ("retry", 1)):
            self.log.create(topic, partitions)
        config = config_of(**{"retry": RETRY, "routes": {"match": "All", "to": TO}, **others})
        self.sinks = {name: MemorySink(keeps_order=to.topic is not None) for name, to in config.destinations.items()}
        reading = Reading.of(config, 1.0)
        self.source = MemorySource(self.log, "g", reading.topics, reading.retry_topics, "Earliest", reading.look_back)
        ports = Ports(self.source, self.sinks, MemoryWriter(self.log))
        self.engine = Engine(config, ports, Ambience(leave_seconds=0.2))
        self.source.start(self.engine)

    def write(self, number: int) -> None:
        told = {"id": str(number), "source": "/shop", "type": "created", "specversion": "1.0"}
        headers = [(f"ce_{name}", value.encode()) for name, value in told.items()]
        self.log.append("orders", f"key-{number % 3}".encode(), json.dumps({"number": number}).encode(), headers)

    def delivered(self, route: str) -> list[int]:
        return [int(event.attributes["id"]) for event in self.sinks[route].delivered]

    def dead(self) -> list[tuple[Any, str | None]]:
        """Numbers of dead letters, and their routes."""
        found = [(record, history_of(record)) for record in self.log.records("dlq")]
        return [
            (json.loads(record.value() or b"")["number"], history.route)
            for record, history in found
            if history is not None
        ]

    def committed(self) -> int:
        return sum(offset for (topic, _number), offset in self.log.groups["g"].offsets.items() if topic == "orders")

    async def close(self) -> None:
        await self.source.stop()
        self.engine.close()


async def test_an_event_is_acknowledged_when_all_of_its_routes_have_taken_it() -> None:
    place = World()
    held: list[Answered] = []
    place.sinks["even"].held = held
    for number in range(4):
        place.write(number)
    await until(lambda: len(place.delivered("all")) == 4 and len(held) == 2)
    await asyncio.sleep(0.6)  # a commit would have come
    assert place.committed() < 4
    while held:
        held.pop()(None)
    await until(lambda: place.committed() == 4)
    assert sorted(place.delivered("all")) == sorted(place.delivered("copies")) == [0, 1, 2, 3]
    await place.close()


async def test_a_retry_is_for_those_only_who_have_not_taken_it() -> None:
    place = World()
    place.sinks["even"].failures.extend([DOWN, DOWN])
    place.write(0)
    await until(lambda: place.committed() == 1)
    assert {route: len(sink.delivered) for route, sink in place.sinks.items()} == {"all": 1, "even": 1, "copies": 1}
    counts = place.engine.counts
    assert {route: counts.of(route).retried_in_place for route in counts.routes} == {"all": 0, "even": 2, "copies": 0}
    assert (counts.of("even").failures, counts.delivered_in_all) == ({"Unavailable": 2}, 3)
    await place.close()


async def test_what_waits_in_a_topic_comes_back_to_its_route_only() -> None:
    place = World(retry={**RETRY, "tiers": [{"topic": "retry", "delayMs": 5}] * 2})
    place.sinks["even"].failures.extend([DOWN])
    place.write(0)
    await until(lambda: len(place.delivered("even")) == 1)
    await until(lambda: place.committed() == 1)
    assert {route: len(sink.delivered) for route, sink in place.sinks.items()} == {"all": 1, "even": 1, "copies": 1}
    waited = [history_of(record) for record in place.log.records("retry")]
    assert [each.route for each in waited if each is not None] == ["even"]
    assert place.engine.counts.of("even").retried_in_topic == 1
    await place.close()


async def test_what_no_route_takes_is_a_dead_letter_or_filtered() -> None:
    for unmatched, dead, filtered in (("DeadLetter", [(1, None)], 0), ("Filter", [], 1)):
        place = World(routes={"match": "First", "unmatched": unmatched, "to": TO[1:2]})
        for number in range(3):
            place.write(number)
        await until(lambda place=place: place.committed() == 3)  # type: ignore[misc]
        assert (place.dead(), place.engine.counts.filtered) == (dead, filtered)
        assert sorted(place.delivered("even")) == [0, 2]
        await place.close()


async def test_those_behind_what_could_not_be_read_in_time_keep_their_order() -> None:
    """An event without a route waits in place, so its key waits with it, for all routes."""
    to = [{**TO[0], "filter": "event.data.number >= 0"}]
    retry = {"attempts": 3, "delaysMs": [5, 5], "giveUpOn": [], "deadLetterTopic": "dlq"}
    place = World(routes={"match": "All", "to": to}, retry=retry, delivery={"ordering": "Partition"})
    place.log.append("orders", b"key-0", b'{"number": "none"}', [])
    for number in (0, 3, 6):
        place.write(number)
    await until(lambda: place.committed() == 4)
    assert place.delivered("all") == [0, 3, 6]
    assert [number for number, _route in place.dead()] == ["none"]
    await place.close()


FAILURES = st.lists(st.sampled_from([None, None, DOWN, REFUSED]), max_size=25)


@settings(max_examples=20, deadline=None)
@given(
    FAILURES,
    FAILURES,
    FAILURES,
    st.sampled_from(["Key", "Partition", "None"]),
    st.sampled_from(["Blocking", "RetryTopics"]),
)
def test_each_route_of_each_event_ends_once(
    all_: list[Failure | None],
    even: list[Failure | None],
    copies: list[Failure | None],
    ordering: str,
    strategy: str,
) -> None:
    asyncio.run(
        _each_ends_once({"all": all_, "even": even, "copies": copies}, ordering, in_topics=strategy == "RetryTopics")
    )


async def _each_ends_once(script: dict[str, list[Failure | None]], ordering: str, *, in_topics: bool) -> None:
    tiers = {"tiers": [{"topic": "retry", "delayMs": 1}] * 2} if in_topics else {}
    place = World(retry={**RETRY, **tiers}, delivery={"ordering": ordering})
    for route, failures in script.items():
        place.sinks[route].failures.extend(failures)
    for number in range(12):
        place.write(number)
    asked = {(number, route) for number in range(12) for route in script if route != "even" or number % 2 == 0}

    def ends() -> Counter[tuple[int, str | None]]:
        taken = [(number, route) for route in script for number in place.delivered(route)]
        return Counter([*taken, *place.dead()])

    await until(lambda: ends().keys() >= asked)
    await until(lambda: place.committed() == 12)
    assert ends() == Counter(asked), "one end for each route of each event, and none twice"
    if ordering != "None" and not in_topics:
        for route in ("all", "even"):  # what is under way to a topic is not called back when one of it fails
            for key in range(3):
                numbers = [number for number in place.delivered(route) if number % 3 == key]
                assert numbers == sorted(numbers), "in order of the key, within the route"
    await place.close()
