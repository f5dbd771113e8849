"""POST /v1/topics/{topic}/events: from a request to its answer, which is given once Kafka has the events."""

import hashlib
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eventplane.api.gateway_config import Limits
from eventplane.client import Event, EventPublisher
from eventplane.client.errors import PublishError
from eventplane.client.receipt import Receipt
from eventplane.events.grants import Rights
from eventplane.events.record import Header
from eventplane.gateway.authentication import Caller
from eventplane.gateway.directory import Directory
from eventplane.gateway.exchange import Answer, Request
from eventplane.gateway.idempotency import Answers
from eventplane.gateway.incoming import Incoming, callers_span, key_of_request, read_request
from eventplane.gateway.limits import Admission, Rates
from eventplane.gateway.metrics import GatewayMetrics
from eventplane.gateway.outcomes import Outcome, answer_of, merge
from eventplane.gateway.problems import Problem, reason_of
from eventplane.tracing import is_tracing, within

CALLER: Final = "eventplane-caller"
"""Header of the record that names who published it."""
_REMEMBERED: Final = 10_000
_REMEMBERED_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants to publish where."""

    caller: Caller
    topic: str
    rights: Rights


class Publishing:
    """Publishes what comes in, within limits."""

    def __init__(
        self, publisher: EventPublisher, directory: Directory, limits: Limits, metrics: GatewayMetrics
    ) -> None:
        self._publisher = publisher
        self._directory = directory
        self._limits = limits
        self._metrics = metrics
        self._admission = Admission(limits.requests, limits.bytes_under_way)
        self._rates = Rates(time.monotonic)
        self._answers = Answers(_REMEMBERED, _REMEMBERED_SECONDS, time.monotonic)
        metrics.under_way.set_function(lambda: float(self._admission.under_way))

    async def publish(self, request: Request, order: Order) -> Answer:
        """Publish what a request holds.

        Raises:
            ProblemError: none of it was published.
        """
        identity = order.caller.identity
        rate = order.rights.events_per_second(identity, self._limits.events_per_second)
        self._rates.take(identity, 0, rate)  # before it costs anything to read
        await self._directory.partitions(order.topic)
        with self._admission.admitted(request.told_bytes(self._limits.request_bytes)):
            body = await request.body(self._limits.request_bytes, self._limits.request_seconds)
            key = request.headers.get("idempotency-key")
            span = callers_span(request.headers)

            async def carry_out() -> Answer:
                incoming = read_request(request.headers, body, str(uuid.uuid4()), self._limits.batch_events)
                self._rates.take(identity, len(incoming.found), rate)
                with within(span):
                    return await self._carried_out(incoming, order, request.query.get("key"), span)

            if key is None:
                return await carry_out()
            return await self._answers.once((identity, order.topic, key), _fingerprint(request, body), carry_out)

    async def _carried_out(
        self, incoming: Incoming, order: Order, asked_key: str | None, span: Mapping[str, str]
    ) -> Answer:
        events = [each for each in incoming.found if isinstance(each, Event)]
        headers: list[Header] = [(CALLER, order.caller.identity.encode("utf-8", "replace"))]
        if not is_tracing():  # else the publisher's own span goes along, which is below it
            headers += [(name, value.encode()) for name, value in span.items()]
        published = await self._published(order.topic, events, asked_key, headers)
        outcomes = merge(incoming.found, published)
        self._count(outcomes)
        ids = [each.event_id if isinstance(each, Event) else None for each in incoming.found]
        return answer_of(outcomes, ids, is_batch=incoming.is_batch)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        problems = [each for each in outcomes if isinstance(each, Problem)]
        self._metrics.events.labels("published").inc(len(outcomes) - len(problems))
        self._metrics.events.labels("failed").inc(len(problems))
        for problem in problems:
            self._metrics.refused.labels(reason_of(problem)).inc()

    async def _published(
        self, topic: str, events: Sequence[Event[Any]], asked_key: str | None, headers: Sequence[Header]
    ) -> Sequence[Receipt | PublishError]:
        if len(events) == 1:  # without what a batch needs
            try:
                key = key_of_request(events[0], asked_key)
                return [await self._publisher.publish_event(topic, events[0], key, headers=headers)]
            except PublishError as error:
                return [error]
        report = await self._publisher.publish_batch(
            topic, events, lambda event: key_of_request(event, asked_key), headers=headers
        )
        return report.outcomes


def _fingerprint(request: Request, body: bytes) -> bytes:
    """Sum up what makes two requests the same one."""
    told = [(name, value) for name, value in request.headers.items() if name.startswith(("ce-", "content-type"))]
    return hashlib.sha256(repr((sorted(told), sorted(request.query.items()))).encode() + b"\0" + body).digest()
