"""Looks up where a group begins in the partitions that it was assigned, and holds it to that."""

import logging
from collections.abc import Mapping
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from eventplane.events.beginning import Beginning, Committed, End, FirstAfter, LookBack, Start, starts
from eventplane.events.record import Place

logger = logging.getLogger(__name__)

_SECONDS: Final = 60.0
"""Longer than a transaction may take whose process was killed: until it is over, nobody is told what is committed."""


def begin(
    consumer: Consumer, places: tuple[Place, ...], topics: tuple[str, ...], retry_topics: tuple[str, ...], start: str
) -> list[TopicPartition]:
    """Return the partitions with the offsets to read from; a beginning that could move is committed.

    Raises:
        KafkaException: no answer. A consumer that does not know where to begin must not.
    """
    committed = _committed(consumer, places)
    if start != "Earliest" and any(place not in committed and place[0] in topics for place in places):
        committed = _committed(consumer, _partitions(consumer, {topic for topic, _ in places}))
    decided = starts(places, committed, start, frozenset(retry_topics))
    found = [located(consumer, place, where) for place, where in decided.items()]
    moving = [each for each in found if isinstance(decided[_place(each)], End | FirstAfter)]
    if moving:
        consumer.commit(offsets=moving, asynchronous=False)
        logger.info(
            "the group begins", extra={"fields": {"offsets": {str(_place(each)): each.offset for each in moving}}}
        )
    return found


def further_back(
    consumer: Consumer, committed: Mapping[Place, int], look_back: LookBack, now_ms: int
) -> Mapping[Place, int]:
    """Return where to read from instead of what is committed, so that what came before is known; raises KafkaException.

    Args:
        consumer: asks Kafka.
        committed: offsets, by partition.
        look_back: how far.
        now_ms: milliseconds since 1970.
    """
    there = {place: offset for place, offset in committed.items() if offset <= _end(consumer, place)}
    ages_ms: dict[Place, int] = {}
    for age_ms in look_back.ages_ms(now_ms):
        unknown = {place: now_ms - age_ms for place in there if place not in ages_ms}
        found = _first_at(consumer, unknown)
        ages_ms |= {place: age_ms for place, offset in found.items() if offset < there[place]}
    since = {place: now_ms - ages_ms.get(place, now_ms) - look_back.window_ms for place in there}
    first = _first_at(consumer, {place: max(0, time_ms) for place, time_ms in since.items()})
    moved = {place: max(at - look_back.most, min(first.get(place, at), at)) for place, at in there.items()}
    return {**committed, **moved}


def _end(consumer: Consumer, place: Place) -> int:
    """Return the offset behind the last record; what is committed beyond it is of a topic that was there before."""
    _low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_SECONDS)
    return int(high)


def _first_at(consumer: Consumer, times_ms: Mapping[Place, int]) -> Mapping[Place, int]:
    """Return the offset of the first record at or after a time, where there is one."""
    if not times_ms:
        return {}
    asked = [TopicPartition(*place, time_ms) for place, time_ms in times_ms.items()]
    found = consumer.offsets_for_times(asked, timeout=_SECONDS)
    return {_place(each): int(each.offset) for each in found if each.offset >= 0}


def _committed(consumer: Consumer, places: tuple[Place, ...]) -> Mapping[Place, int]:
    found = consumer.committed([TopicPartition(*place) for place in places], timeout=_SECONDS)
    return {_place(each): int(each.offset) for each in found if each.offset >= 0}


def _partitions(consumer: Consumer, topics: set[str]) -> tuple[Place, ...]:
    known = consumer.list_topics(timeout=_SECONDS).topics
    return tuple((topic, number) for topic in sorted(topics) if topic in known for number in known[topic].partitions)


def located(consumer: Consumer, place: Place, where: Start) -> TopicPartition:
    """Return a partition with the offset to read from; raises KafkaException."""
    match where:
        case Committed(offset):
            return TopicPartition(*place, offset)
        case Beginning():
            return TopicPartition(*place, OFFSET_BEGINNING)
        case End():
            _low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_SECONDS)
            return TopicPartition(*place, high)
        case FirstAfter(timestamp_ms):
            (found,) = consumer.offsets_for_times([TopicPartition(*place, timestamp_ms)], timeout=_SECONDS)
            if found.offset >= 0:
                return TopicPartition(*place, int(found.offset))
            return located(consumer, place, End())


def _place(partition: TopicPartition) -> Place:
    return str(partition.topic), int(partition.partition)
