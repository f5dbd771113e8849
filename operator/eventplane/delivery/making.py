"""From a batch of records to what is written for them in one transaction.

| # | the record | what is written for it | its partition |
|---|---|---|---|
| 1 | lies behind one that waits | nothing | waits with it: offsets that are committed have no holes |
| 2 | is not due, in a retry topic or after a wait in place | nothing | waits from here on |
| 3 | cannot be read, and no event is to blame | nothing | waits from here on |
| 4 | has come before, or is kept back by the filter | nothing | goes on |
| 5 | is to be delivered later, and waits in a topic until then | the record, to that topic | goes on |
| 6 | is to be delivered later, and waits in place | nothing | waits from here on |
| 7 | is to be delivered | the event, to the sink's topic | goes on |
| 8 | failed, and is to be set aside | the record with its history, to that topic | goes on |
| 9 | failed, and is to be tried again in place | nothing | waits from here on |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.attempt_spans import TransactionSpans
from eventplane.delivery.counts import Counts
from eventplane.delivery.endings import Ambience
from eventplane.delivery.interpreting import Interpreter
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.relayed import RelayedPartition, Task
from eventplane.delivery.repeats import Repeats
from eventplane.delivery.setting_aside import log_waiting
from eventplane.events.dead_letters import first_topic, past_of, postponed, set_aside
from eventplane.events.delivery import (
    Acknowledge,
    DeadLetter,
    Failure,
    MoveToTier,
    RetryInPlace,
    attempts_after,
    decide,
)
from eventplane.events.event import Event
from eventplane.events.lookups import LookUp
from eventplane.events.outgoing import topic_record
from eventplane.events.processing import Deliverable, Filtered, NewData, Routed
from eventplane.events.record import Place, Record, place_of_record
from eventplane.events.scheduling import Postponement, postponement
from eventplane.tracing import is_tracing
from eventplane.transports.data_readers import DataReader, read_data
from eventplane.transports.seams import Made, Write


@dataclass(slots=True)
class _Batch:
    """What is made of one batch."""

    now_ms: int
    counts: Counts
    writes: list[Write] = field(default_factory=list)
    positions: dict[Place, int] = field(default_factory=dict)
    waits: dict[Place, float] = field(default_factory=dict)


class Maker:
    """Makes what an Exchange writes for one Subscription."""

    def __init__(
        self,
        config: RuntimeConfig,
        sink_topic: str,
        registry: DataReader | None,
        ambience: Ambience,
        lookups: Lookups | None = None,
    ) -> None:
        """Compile what there is to compile; raises ExpressionError."""
        self._rules = config.retry
        self._ordering = config.delivery.ordering
        self._sink_topic = sink_topic
        self._subscription = f"{config.namespace}/{config.name}"
        self._interpreter = Interpreter(config, lookups or Lookups(), has_registry=registry is not None)
        self.repeats = Repeats(config.delivery.deduplicate, self._interpreter.decode, ambience.now_ms)
        """What has come before."""
        self.spans = TransactionSpans(config.group) if is_tracing() else None
        """Of what was made and is not committed; None: nobody has set it up."""
        self._registry = registry
        self._ambience = ambience
        self._failed_readings = 0

    def make(self, records: Sequence[Record], partitions: Mapping[Place, RelayedPartition], counts: Counts) -> Made:
        """Make it by the table above; what is counted is certain once it is committed."""
        batch = _Batch(self._ambience.now_ms(), counts)
        unfinished = self.repeats.unfinished(records)
        tasks = [
            self._task(record, found) for record in unfinished if (found := partitions.get(place_of_record(record)))
        ]
        if self._registry is not None:
            self._read_data(self._registry, tasks, batch.now_ms)
        for task in tasks:
            if task.partition.place not in batch.waits:
                self._do(task, batch)
        return Made(batch.writes, batch.positions, batch.waits)

    def _task(self, record: Record, partition: RelayedPartition) -> Task:
        past = past_of(record) if partition.is_retry else None
        decoded = self._interpreter.decode(record, past.origin if past is not None else None)
        return Task(partition, record, record.offset() or 0, decoded, past)

    def _read_data(self, registry: DataReader, tasks: Sequence[Task], now_ms: int) -> None:
        """Give events the data that only the registry can tell; what went wrong is noted in the task."""
        unread = [
            (task, task.decoded)
            for task in tasks
            if isinstance(task.decoded, Event)
            and self._interpreter.asks_registry(task.decoded)
            and not task.wait_ms(now_ms)
        ]
        if not unread:
            return
        failures = read_data(
            registry, [(event, first_topic(task.past, task.partition.place)) for task, event in unread]
        )
        for (task, _event), failure in zip(unread, failures, strict=True):
            task.made = failure
        if any(failure is None or failure.blames_event for failure in failures):
            self._failed_readings = 0

    def _do(self, task: Task, batch: _Batch) -> None:
        """Do what there is to do about a record, or let its partition wait."""
        partition = task.partition
        wait_ms = task.wait_ms(batch.now_ms) or self._done(task, batch)
        if wait_ms:
            batch.waits[partition.place] = wait_ms / 1000
            batch.positions[partition.place] = partition.position = task.offset
            return
        batch.counts.received += 1
        batch.positions[partition.place] = partition.position = task.offset + 1
        partition.under_way += 1

    def _done(self, task: Task, batch: _Batch) -> int:
        """Finish with a record, or return for how many milliseconds it has to wait."""
        if self.repeats.is_repeated(task.record, task.decoded):
            batch.counts.deduplicated += 1
            return 0
        match self._outcome(task, batch.now_ms):
            case Filtered():
                batch.counts.filtered += 1
            case Postponement(due_ms, topic):
                return self._postponed(task, due_ms, topic, batch)
            case Failure() as failure:
                return self._failed(task, failure, batch)
            case Write() as write:
                batch.writes.append(write)
                batch.counts.deliver(task.record, batch.now_ms)
        return 0

    def _outcome(self, task: Task, now_ms: int) -> Filtered | Postponement | Failure | Write:
        tried = task.tried
        if tried is not None and tried.failure is not None:
            return tried.failure
        made = task.made or self._interpreter.process(task.decoded)
        if isinstance(made, Filtered):
            return made
        later = postponement(task.record, self._rules, self._ordering, attempt=task.attempt, now_ms=now_ms)
        if later is not None:
            return later
        event = task.decoded
        if isinstance(event, Failure):
            return event
        if isinstance(made, Routed | LookUp):
            raise AssertionError("no transaction has routes, or waits")  # noqa: TRY004 - refused before; for type checkers
        return made if isinstance(made, Failure) else self._write(task, event, made)

    def _write(self, task: Task, event: Event, made: Deliverable) -> Failure | Write:
        try:
            value, headers = topic_record(event, made.data if isinstance(made, NewData) else None)
        except Exception as error:  # noqa: BLE001 - what cannot be written is no reason to stop
            return Failure("Undecodable", f"it cannot be written: {type(error).__name__} {error}")
        return task.write(self._sink_topic, value, headers if self.spans is None else self.spans.begin(event, headers))

    def _postponed(self, task: Task, due_ms: int, topic: str | None, batch: _Batch) -> int:
        """Let a record wait in a topic, or return for how many milliseconds it has to wait where it is."""
        if topic is None:
            batch.counts.postponed_in_place += 1
            log_waiting(task.partition.place, task.offset, due_ms)
            return due_ms - batch.now_ms
        waiting = postponed(task.record, task.past, subscription=self._subscription, due_ms=due_ms)
        batch.writes.append(task.write(topic, task.record.value(), waiting.headers(task.record)))
        batch.counts.postponed_in_topic += 1
        return 0

    # --- what failed

    def _failed(self, task: Task, failure: Failure, batch: _Batch) -> int:
        attempt = task.attempt if failure.blames_event else self._failed_readings + 1
        verdict = decide(failure, attempt, self._rules, self._ordering, self._ambience.chance())
        batch.counts.failures[failure.reason] += 1
        match verdict:
            case RetryInPlace(delay_ms):
                self._try_later(task, failure, batch.now_ms, delay_ms)
                batch.counts.retried_in_place += 1
                return max(1, delay_ms)
            case MoveToTier(topic, moved, delay_ms):
                self._set_aside(task, topic, moved, delay_ms, batch)
                batch.counts.retried_in_topic += 1
            case DeadLetter(topic, given_up):
                self._set_aside(task, topic, given_up, None, batch)
                batch.counts.dead_lettered[given_up.reason] += 1
            case Acknowledge():
                raise AssertionError("a failure is never acknowledged")
        return 0

    def _try_later(self, task: Task, failure: Failure, now_ms: int, delay_ms: int) -> None:
        tried = task.remembered()
        tried.due_ms = now_ms + delay_ms
        tried.failure = None
        tried.attempts = attempts_after(failure, tried.attempts)
        if failure.blames_event:
            tried.first_failure_ms = tried.first_failure_ms or now_ms
        else:
            self._failed_readings += 1

    def _set_aside(self, task: Task, topic: str, failure: Failure, delay_ms: int | None, batch: _Batch) -> None:
        history = set_aside(
            task.record,
            task.past,
            failure,
            subscription=self._subscription,
            attempts=task.attempt,
            first_failure_ms=task.first_failure_ms,
            now_ms=batch.now_ms,
            delay_ms=delay_ms,
        )
        batch.writes.append(task.write(topic, task.record.value(), history.headers(task.record)))
