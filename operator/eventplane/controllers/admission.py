"""The admission webhook: kopf serves it, planning decides."""

from pathlib import Path
from typing import Any

import kopf

from eventplane.api import GROUP, VERSION
from eventplane.api.event_topic import EventTopic
from eventplane.controllers.parsing import parse
from eventplane.controllers.store import Store
from eventplane.planning.admission import review_topic
from eventplane.planning.plan import Refusal
from eventplane.settings import OperatorSettings


def register_admission(registry: kopf.OperatorRegistry, store: Store) -> None:
    """Add the validating handlers; the chart's webhook configuration calls them at /validate-eventtopic."""

    @kopf.on.validate(GROUP, VERSION, EventTopic.plural, id="validate-eventtopic", registry=registry)
    async def validate_topic(body: kopf.Body, **kwargs: Any) -> None:
        old = kwargs.get("old")
        admit_topic(store, dict(body), dict(old) if old else None)


def admit_topic(store: Store, body: dict[str, Any], old: dict[str, Any] | None) -> None:
    """Turn a topic away with the reason and what to do about it.

    Raises:
        kopf.AdmissionError: it is refused.
    """
    topic, _ = parse(EventTopic, body | {"metadata": {"uid": "", "name": ""} | body["metadata"]})
    before = parse(EventTopic, old | {"metadata": body["metadata"]})[0] if old else None
    bus = store.topics.bus_of(topic)
    if isinstance(bus, Refusal) and topic.metadata.namespace not in store.namespaces:
        return  # so new that the watch has not shown its labels: the status will tell
    rivals, elders = store.topics.rivals_named_by(topic), store.topics.elders_in_namespace(topic)
    refusal = review_topic(topic, before, bus, rivals, elders)
    if refusal is not None:
        raise kopf.AdmissionError(f"{refusal.reason}: {refusal.message}", code=422)


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
