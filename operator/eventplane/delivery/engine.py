"""Takes records, finishes at once what the filter keeps back, and lets the rest start in its order.

Everything happens on the event loop, without a task per event; decisions are taken in `events`.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.counts import Counts
from eventplane.delivery.endings import Ambience, Endings
from eventplane.delivery.flow import Flow, Outlet
from eventplane.delivery.interpreting import Interpreter
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.reading import Inbox, Readers
from eventplane.delivery.repeats import Repeats
from eventplane.delivery.setting_aside import SettingAside, log_waiting
from eventplane.delivery.work import PartitionWork, Work, new_partition
from eventplane.events.dead_letters import past_of
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.health import PartitionSight
from eventplane.events.lookups import LookUp
from eventplane.events.offsets import OutOfOrderError
from eventplane.events.processing import FILTERED
from eventplane.events.record import Place, Record
from eventplane.events.scheduling import Postponement, postponement
from eventplane.transports.data_readers import DataReader
from eventplane.transports.seams import Sink, Source, Writer

logger = logging.getLogger(__name__)

_COMMIT_SECONDS: Final = 0.5
_PIPELINED: Final = 10_000
"""How many events may be on their way to a topic."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the engine is connected to."""

    source: Source
    sink: Sink | Mapping[str, Sink]
    """The only one, or those of the routes by their names."""
    writer: Writer
    registry: DataReader | None = None
    lookups: Lookups = field(default_factory=Lookups)

    @property
    def sinks(self) -> Mapping[str, Sink]:
        """The sinks, of which a sole one has no name."""
        return self.sink if isinstance(self.sink, Mapping) else {"": self.sink}


class Engine:
    """A Reader that processes what it is given."""

    def __init__(self, config: RuntimeConfig, ports: Ports, ambience: Ambience | None = None) -> None:
        """Compile what there is to compile; raises ExpressionError."""
        self.counts = Counts(ports.sinks)
        self.problem: str | None = None
        self.ended_event = asyncio.Event()
        self.is_assigned = False
        self._rules = config.retry
        self._ordering = config.delivery.ordering
        self._source = ports.source
        self._keeps_order = {route: sink.keeps_order for route, sink in ports.sinks.items()}
        self._ambience = ambience or Ambience()
        self._interpreter = Interpreter(config, ports.lookups, has_registry=ports.registry is not None)
        self.repeats = Repeats(config.delivery.deduplicate, self._interpreter.decode, self._ambience.now_ms)
        self._deduplicates = config.delivery.deduplicate is not None
        self._retry_topics = frozenset(config.retry.topics)
        self._partitions: dict[Place, PartitionWork] = {}
        self._loop = asyncio.get_running_loop()
        self._flow = Flow({name: _outlet(config, name, sink) for name, sink in ports.sinks.items()}, self._answered)
        self._inbox = Inbox(
            config,
            Readers(self._interpreter, ports.registry, ports.lookups),
            self._ambience.now_ms,
            self._enter,
            self._flow.pump,
        )
        aside = SettingAside(config.full_name, ports.writer, self._ambience.now_ms)
        self._endings = Endings(config, self.counts, self._flow, aside, self._ambience, self._try_again, self._resume)
        self._commit_timer = self._loop.call_later(_COMMIT_SECONDS, self._commit)

    # --- what a Source tells

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        """Begin with partitions."""
        self.is_assigned = True
        self.repeats.assigned([place for place in places if place[0] not in self._retry_topics], finished)
        now = self._loop.time()
        for place in places:
            self._partitions[place] = new_partition(
                place,
                self._ordering,
                self._keeps_order,
                is_retry=place[0] in self._retry_topics,
                now=now,
            )

    def take(self, records: Sequence[Record]) -> None:
        """Look at records as they come."""
        if self.problem is not None:
            return
        try:
            records = self.repeats.unfinished(records)
            self.counts.received += len(records)
            self._look_at_all(records)
        except Exception as error:
            # what comes behind must not be committed over this; somebody else begins with it again
            logger.exception("records could not be taken")
            self.ended(f"records could not be taken: {type(error).__name__} {error}")
            return
        for each in self._partitions.values():
            if each.inbox:
                self._inbox.advance(each)
        self._flow.pump()

    async def leave(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Start nothing more in partitions, wait for what is under way, and give them up."""
        leaving = [self._partitions[place] for place in places if place in self._partitions]
        for partition in leaving:
            partition.is_leaving = True
        until = self._loop.time() + self._ambience.leave_seconds
        while (
            any(each.under_way and each.stopped is None for each in leaving) and (left := until - self._loop.time()) > 0
        ):
            self._endings.progressed.clear()
            try:
                await asyncio.wait_for(self._endings.progressed.wait(), left)
            except TimeoutError:
                break
        positions = {each.place: each.tracker.position for each in leaving}
        self.lost([each.place for each in leaving])
        return {place: position for place, position in positions.items() if position is not None}

    def lost(self, places: Sequence[Place]) -> None:
        """Forget partitions; what ends of their events from now on changes nothing."""
        self.repeats.lost(places)
        for place in places:
            partition = self._partitions.pop(place, None)
            if partition is not None:
                partition.is_leaving = partition.is_gone = True

    def ended(self, problem: str | None) -> None:
        """Note that nothing more comes."""
        self.problem = self.problem or problem
        self.ended_event.set()

    # --- what probes and metrics look at

    @property
    def under_way(self) -> int:
        """How many events are on their way to the sink."""
        return self._flow.under_way

    @property
    def buffered(self) -> int:
        """How many events are in memory."""
        return sum(each.records for each in self._partitions.values())

    def sights(self) -> list[PartitionSight]:
        """Show the partitions."""
        now = self._loop.time()
        return [each.sight(now) for each in self._partitions.values()]

    def close(self) -> None:
        """End what runs by itself."""
        self._commit_timer.cancel()

    # --- from a record to the sink

    def _look_at_all(self, records: Sequence[Record]) -> None:
        partition: PartitionWork | None = None
        topic: str | None = None
        number: int | None = None
        for record in records:
            if record.topic() != topic or record.partition() != number:
                topic, number = record.topic(), record.partition()
                partition = self._partitions.get((topic or "", number or 0))
            if partition is None or partition.is_leaving:
                continue
            try:
                self._look_at(partition, record)
            except OutOfOrderError:  # the broker began anew, since what was to come next is not there any more
                logger.warning("a partition begins anew", extra={"fields": {"place": partition.place}})
                self.lost([partition.place])
                self.assigned([partition.place], {})
                partition = self._partitions[partition.place]
                self._look_at(partition, record)

    def _look_at(self, partition: PartitionWork, record: Record) -> None:
        """Finish at once what is repeated or filtered out; keep the rest, in the inbox if it cannot be told yet."""
        offset = record.offset() or 0
        if partition.is_retry:
            partition.inbox.append(self._retry_work(partition, record, offset))
            return
        decoded = self._interpreter.decode(record)
        if self._deduplicates and self.repeats.is_repeated(record, decoded):
            partition.tracker.skipped(offset)
            self.counts.deduplicated += 1
            return
        if partition.inbox or (isinstance(decoded, Event) and self._interpreter.asks_registry(decoded)):
            partition.inbox.append(self._received(partition, record, offset, decoded))
            return
        made = self._interpreter.process(decoded)
        if made is FILTERED:
            partition.tracker.skipped(offset)
            self.counts.filtered += 1
            return
        work = self._received(partition, record, offset, decoded)
        work.made = made
        if isinstance(made, LookUp) or not self._is_through(work):
            partition.inbox.append(work)

    def _retry_work(self, partition: PartitionWork, record: Record, offset: int) -> Work:
        past = past_of(record)
        origin = past.origin if past is not None else None
        work = self._received(partition, record, offset, self._interpreter.decode(record, origin))
        if past is not None:
            work.past = past
            work.due_ms = past.due_ms or 0
            work.attempt = past.attempts + 1
            work.first_failure_ms = past.first_failure_ms
        return work

    def _received(self, partition: PartitionWork, record: Record, offset: int, decoded: Event | Failure) -> Work:
        size = len(record.value() or b"")
        partition.tracker.received(offset)
        partition.records += 1
        partition.bytes += size
        if not partition.is_paused and partition.is_full(len(self._partitions)):
            partition.is_paused = True
            self._source.pause(partition.place)
        return Work(partition, record, offset, size, decoded, partition.lanes[""].lane_of(record.key()))

    def _enter(self, work: Work) -> bool:
        """Look at work from the inbox; tell whether it leaves it."""
        return not self._is_wanted(work) or self._is_through(work)

    def _is_through(self, work: Work) -> bool:
        """Let work start whose time has come, or wait in a topic; False: it has to wait where it is."""
        now_ms = self._ambience.now_ms()
        found = postponement(work.record, self._rules, self._ordering, attempt=work.attempt, now_ms=now_ms)
        if isinstance(found, Postponement):
            return self._postponed(work, found)
        if found is not None:
            work.decoded = work.made = found
        self._queue(work)
        return True

    def _postponed(self, work: Work, until: Postponement) -> bool:
        if until.topic is not None:
            self._endings.postpone(work, until.topic, until.due_ms)
            return True
        work.due_ms, work.made = until.due_ms, None  # filter and transform are asked again at its time
        self.counts.postponed_in_place += 1
        log_waiting(work.partition.place, work.offset, until.due_ms)
        return False

    def _enter_again(self, work: Work) -> None:
        """Look again at work that holds its lane."""
        if self._is_wanted(work):
            self._flow.offer(work)
        self._flow.pump()

    def _is_wanted(self, work: Work) -> bool:
        """Filter and transform; what is kept back is finished."""
        if work.made is None:
            work.made = self._interpreter.process(work.decoded)
        if work.made is not FILTERED:
            return True
        self.counts.filtered += 1
        self._endings.finish(work)
        return False

    def _queue(self, work: Work) -> None:
        if work.partition.lanes[""].enter(work.lane, work.offset, work):
            self._flow.offer(work)

    # --- from the sink's answer on

    def _answered(self, work: Work, failure: Failure | None) -> None:
        self._endings.answered(work, failure)

    def _try_again(self, work: Work) -> None:
        if isinstance(work.made, Failure):
            work.made = None
            self._inbox.read_again(work, self._enter_again)
        else:
            self._enter_again(work)

    def _resume(self, partition: PartitionWork) -> None:
        if partition.is_paused and not partition.is_leaving and partition.has_room(len(self._partitions)):
            partition.is_paused = False
            self._source.resume(partition.place)

    def _commit(self) -> None:
        self._commit_timer = self._loop.call_later(_COMMIT_SECONDS, self._commit)
        changed = {place: each.tracker.to_commit() for place, each in self._partitions.items() if not each.is_leaving}
        offsets = {place: offset for place, offset in changed.items() if offset is not None}
        if offsets:
            self._source.commit(offsets)


def _outlet(config: RuntimeConfig, route: str, sink: Sink) -> Outlet:
    if sink.keeps_order:
        return Outlet(sink, _PIPELINED)
    return Outlet(sink, config.destinations[route].most_under_way(config.delivery.concurrency))
