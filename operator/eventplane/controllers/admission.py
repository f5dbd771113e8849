"""The admission webhook: kopf serves it, planning decides."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import kopf

from eventplane.api import GROUP, VERSION
from eventplane.api.event_topic import EventTopic
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.controllers.parsing import parse
from eventplane.controllers.shelf import R
from eventplane.controllers.store import Store
from eventplane.planning.admission import review_subscription, review_topic
from eventplane.planning.plan import Refusal
from eventplane.settings import OperatorSettings

ReviewSchema: TypeAlias = Callable[[Schema, Schema | None], Awaitable[Refusal | None]]
"""Decides about a Schema as it would be, and as it is."""

_NEW: Final = {"uid": "", "name": "", "creationTimestamp": "9999-12-31T23:59:59Z"}
"""What the metadata of a resource being created may lack; everything that is there already is older."""


def register_admission(registry: kopf.OperatorRegistry, store: Store, review: ReviewSchema) -> None:
    """Add the validating handlers; the chart's webhook configuration calls them by their ids."""

    @kopf.on.validate(GROUP, VERSION, EventTopic.plural, id="validate-eventtopic", registry=registry)
    async def validate_topic(body: kopf.Body, **kwargs: Any) -> None:
        admit_topic(store, *versions(EventTopic, body, kwargs.get("old")))

    @kopf.on.validate(GROUP, VERSION, Subscription.plural, id="validate-subscription", registry=registry)
    async def validate_subscription(body: kopf.Body, **kwargs: Any) -> None:
        admit_subscription(*versions(Subscription, body, kwargs.get("old")))

    @kopf.on.validate(GROUP, VERSION, Schema.plural, id="validate-schema", registry=registry)
    async def validate_schema(body: kopf.Body, **kwargs: Any) -> None:
        await admit_schema(review, *versions(Schema, body, kwargs.get("old")))


def admit_topic(store: Store, topic: EventTopic, before: EventTopic | None) -> None:
    """Turn a topic away with the reason and what to do about it.

    Raises:
        kopf.AdmissionError: it is refused.
    """
    bus = store.topics.bus_of(topic)
    if isinstance(bus, Refusal) and topic.metadata.namespace not in store.namespaces:
        return  # so new that the watch has not shown its labels: the status will tell
    rivals, elders = store.topics.rivals_named_by(topic), store.topics.elders_in_namespace(topic)
    _refuse(review_topic(topic, before, bus, rivals, elders))


def admit_subscription(subscription: Subscription, before: Subscription | None) -> None:
    """Turn a Subscription away with the reason and what to do about it.

    Raises:
        kopf.AdmissionError: it is refused.
    """
    _refuse(review_subscription(subscription, before))


async def admit_schema(review: ReviewSchema, schema: Schema, before: Schema | None) -> None:
    """Turn a schema away with the reason and what to do about it.

    Raises:
        kopf.AdmissionError: it is refused.
    """
    _refuse(await review(schema, before))


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise kopf.AdmissionError(f"{refusal.reason}: {refusal.message}", code=422)


def versions(kind: type[R], body: Mapping[str, Any], old: Any) -> tuple[R, R | None]:
    """Read a resource as it would be, and as it is."""
    now, _ = parse(kind, dict(body) | {"metadata": _NEW | dict(body["metadata"])})
    before = parse(kind, dict(old) | {"metadata": body["metadata"]})[0] if old else None
    return now, before


def admission_server(settings: OperatorSettings) -> kopf.WebhookServer | None:
    """Make the server of the webhook, or None where it is turned off."""
    if not settings.webhook_certificate_dir:
        return None
    folder = Path(settings.webhook_certificate_dir)
    return kopf.WebhookServer(
        addr="0.0.0.0",  # noqa: S104 - the API server calls from outside the pod
        port=settings.webhook_port,
        certfile=str(folder / "tls.crt"),
        pkeyfile=str(folder / "tls.key"),
    )
