"""The consumer of a sink on a Kafka that knows everybody by certificates: its own lies beside its Secret."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from builders import CLUSTER, event_topic, mapping_bus, settled, subscription
from integration.consumer_process import consumers
from integration.event_topics import Topics
from integration.http_service import HttpService
from integration.service_process import wait_until

from eventplane.backends.kafka import KafkaPrincipalBackend
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import GrantAccess
from eventplane.planning.access_desired import DesiredAccess, desire_access
from eventplane.planning.access_state import ObservedAccess
from eventplane.planning.connection import AccessConnection, KafkaConnection

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

TOPIC = "run-certificate"
BILLING = subscription(
    sink={"http": {"url": "http://replaced"}}, credentials={"certificate_secret_ref": {"name": "billing-tls"}}
)
BUS = mapping_bus("{{ name }}.{{ namespace }}")


async def granted(kafka: Kafka) -> DesiredAccess:
    """Grant the principal of the Subscription what it asks for, as the operator does."""
    way_in = KafkaConnection((kafka.bootstrap("SSL"),), tls=True, ca_pem=kafka.ca_pem, certificate_pem="C", key_pem="K")
    made = settled(event_topic())
    topic = made.model_copy(update={"status": made.status.model_copy(update={"topic_name": TOPIC})})
    desired = desire_access(BILLING, BUS, AccessConnection(way_in), {"orders": topic}, CLUSTER)
    assert isinstance(desired, DesiredAccess)
    case = AccessCase(BILLING, BUS, desired, ObservedAccess(), "never", datetime(2026, 1, 1, tzinfo=UTC))
    certificate, key = kafka.client_certificate(kafka.admin.username)
    backend = KafkaPrincipalBackend(replace(way_in, certificate_pem=certificate, key_pem=key), client_id="integration")
    try:
        for change in decide_access(case).changes:
            if isinstance(change, GrantAccess):
                assert [outcome.error for outcome in await backend.apply([change])] == [None]
    finally:
        await backend.close()
    return desired


async def test_a_sink_reads_with_its_certificate(event_kafka: Kafka, tmp_path: Path) -> None:
    topics = Topics(event_kafka)
    topics.create(TOPIC)
    desired = await granted(event_kafka)
    with HttpService() as service:
        told: dict[str, Any] = {
            "namespace": "shop",
            "name": "billing",
            "group": desired.group,
            "topics": [TOPIC],
            "startFrom": "Earliest",
            "http": {"url": service.url},
            "retry": {"attempts": 1},
        }
        with consumers(tmp_path / "c", event_kafka, told) as started:
            (tmp_path / "c" / "kafka" / "librdkafka.json").write_text(desired.secret_data("")["librdkafka.json"])
            mounted = tmp_path / "c" / "certificate"
            mounted.mkdir()
            certificate, key = event_kafka.client_certificate(desired.user or "")
            (mounted / "tls.crt").write_text(certificate)
            half = started.start()
            assert half.ended() == 2
            assert "tls.key is absent: credentials.certificateSecretRef" in half.log()
            (mounted / "tls.key").write_text(key)
            topics.write(TOPIC, [(None, json.dumps({"id": "o-1"}).encode(), {})])
            process = started.start()
            wait_until(lambda: topics.committed(desired.group or "", TOPIC) == 1, "it is read")
            assert process.terminate() == 0
            assert "PRIVATE KEY" not in process.log()
    assert len(service.taken) == 1
