"""Routes as a process, on a real broker, before services of which one fails half of the time: the counts add up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, header
from integration.http_service import Answer, HttpService, Request
from integration.service_process import wait_until

from eventplane.events.dead_letter_view import dead_letter_of

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka
    from eventplane.events.dead_letter_view import DeadLetter

pytestmark = pytest.mark.kafka

EVENTS = 300
RETRY: dict[str, Any] = {
    "attempts": 3,
    "delaysMs": [10, 20],
    "giveUpOn": ["Undecodable", "ExpressionFailed", "Rejected"],
}


def config(name: str, match: str, to: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
    told = {"retry": {**RETRY, "deadLetterTopic": f"{name}.dlq"}, "routes": {"match": match, "to": to}}
    return config_of(name, **{**told, **others})


def numbers(ids: list[str]) -> list[int]:
    return sorted(int(each) for each in ids)


def letters_of(topics: Topics, name: str) -> list[DeadLetter]:
    found = [dead_letter_of(each) for each in topics.read(f"{name}.dlq")]  # type: ignore[arg-type]
    return [each for each in found if each is not None]


def replayed(letter: DeadLetter) -> tuple[str, bytes | None, dict[str, str]]:
    headers = {name: (value or b"").decode() for name, value in letter.headers_of_replay()}
    return (letter.key or b"").decode(), letter.original_message, headers


def test_all_routes_get_each_event_once_although_one_fails_half_of_the_time(
    event_kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    name = "routes-all"
    topics.create(name, f"{name}.dlq", f"{name}.copies", partitions=3)
    chance = random.Random(3)  # noqa: S311 - no secret

    def flaky(request: Request, _attempt: int) -> Answer:
        if int(request.id) % 50 == 7:
            return Answer(400)
        return Answer(500 if chance.random() < 0.5 else 204)

    with HttpService() as sound, HttpService(flaky) as failing:
        to = [
            {"name": "sound", "http": {"url": sound.url}},
            {"name": "failing", "http": {"url": failing.url}},
            {"name": "copies", "filter": "int(event.id) % 3 == 0", "topic": {"topic": f"{name}.copies"}},
        ]
        with consumers(tmp_path / "c", event_kafka, config(name, "All", to)) as started:
            topics.write_events(name, range(EVENTS), keys=20)
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == EVENTS, "all is finished")
            letters = letters_of(topics, name)
            dead = [dict(each.headers)["ce_id"] for each in letters]
            assert {each.route for each in letters} == {"failing"}
            assert numbers([each.id for each in sound.taken]) == list(range(EVENTS)), "none is lost, none comes twice"
            taken = [each.id for each in failing.taken]
            assert numbers([*taken, *(each.decode() for each in dead if each)]) == list(range(EVENTS))
            assert any(int(each or b"0") % 50 == 7 for each in dead)
            copies = [header(each, "ce_id") or "" for each in topics.read(f"{name}.copies")]
            assert numbers(copies) == list(range(0, EVENTS, 3))
            delivered = {
                route: process.metric(f'eventplane_runtime_delivered_total{{route="{route}"}}')
                for route in ("sound", "failing", "copies")
            }
            assert delivered == {"sound": EVENTS, "failing": EVENTS - len(dead), "copies": EVENTS / 3}
            assert process.metric("eventplane_runtime_dead_lettered_total") == len(dead)
            assert process.metric("eventplane_runtime_received_total") == EVENTS
            assert process.terminate() == 0
    by_key: dict[int, list[int]] = {}
    for number in map(int, taken):
        by_key.setdefault(number % 20, []).append(number)
    assert all(each == sorted(each) for each in by_key.values()), "order of a key is kept in its route"


def test_the_first_route_gets_it_and_what_waits_in_topics_comes_back_to_its_route_only(
    event_kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    name = "routes-first"
    tier = f"{name}.retry-50ms"
    topics.create(name, f"{name}.dlq", tier, partitions=2)
    with HttpService(lambda _request, attempt: Answer(500 if attempt == 1 else 204)) as large, HttpService() as small:
        to = [
            {"name": "large", "filter": "int(event.id) >= 40", "http": {"url": large.url}},
            {"name": "small", "filter": "int(event.id) < 20", "http": {"url": small.url}},
            {"name": "rest-of-large", "filter": "int(event.id) >= 30", "http": {"url": small.url}},
        ]
        tiers = [{"topic": tier, "delayMs": 50}] * 2
        told = config(name, "First", to)
        told["retry"] |= {"tiers": tiers, "delaysMs": [50, 50]}
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(60), keys=7)
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 60, "all is finished")
            wait_until(lambda: len(large.taken) == 20, "what waited is delivered")
            assert numbers([each.id for each in large.taken]) == list(range(40, 60))
            assert numbers([each.id for each in small.taken]) == [*range(20), *range(30, 40)]
            dead = topics.read(f"{name}.dlq")
            assert numbers([header(each, "ce_id") or "" for each in dead]) == list(range(20, 30))
            assert {header(each, "eventplane-reason") for each in dead} == {"Unrouted"}
            assert {header(each, "eventplane-route") for each in dead} == {None}
            waited = topics.read(tier)
            assert {header(each, "eventplane-route") for each in waited} == {f"shop/{name}/large"}
            assert len(waited) == 20
            assert process.terminate() == 0


def test_a_replayed_dead_letter_goes_to_its_route_only(event_kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    name = "routes-replay"
    topics.create(name, f"{name}.dlq")
    refuse = [True]
    with HttpService() as sound, HttpService(lambda _request, _attempt: Answer(400 if refuse[0] else 204)) as mended:
        to = [{"name": "sound", "http": {"url": sound.url}}, {"name": "mended", "http": {"url": mended.url}}]
        with consumers(tmp_path / "c", event_kafka, config(name, "All", to)) as started:
            topics.write_events(name, range(5), keys=5)
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 5, "all is finished")
            letters = letters_of(topics, name)
            assert [each.route for each in letters] == ["mended"] * 5
            refuse[0] = False
            topics.write(name, [replayed(each) for each in letters])
            wait_until(lambda: topics.committed(f"group-{name}", name) == 10, "the replay is finished")
            assert numbers([each.id for each in mended.taken]) == list(range(5))
            assert numbers([each.id for each in sound.taken]) == list(range(5)), "it had taken them, and got none again"
            assert process.terminate() == 0
