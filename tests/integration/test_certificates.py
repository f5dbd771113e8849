"""The consumer of a sink on a Kafka that knows everybody by certificates: its own lies beside its Secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from builders import mapping_bus, subscription
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics
from integration.granted_access import granted_access
from integration.http_service import HttpService, mount
from integration.service_process import wait_until

from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.connection import KafkaConnection

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
    """Grant the principal of the Subscription what it asks for."""
    way_in = KafkaConnection((kafka.bootstrap("SSL"),), tls=True, ca_pem=kafka.ca_pem, certificate_pem="C", key_pem="K")
    certificate, key = kafka.client_certificate(kafka.admin.username)
    operator = replace(way_in, certificate_pem=certificate, key_pem=key)
    return await granted_access(BILLING, BUS, way_in, TOPIC, operator)


async def test_a_sink_reads_with_its_certificate(event_kafka: Kafka, tmp_path: Path) -> None:
    topics = Topics(event_kafka)
    topics.create(TOPIC)
    desired = await granted(event_kafka)
    with HttpService() as service:
        told = config_of(TOPIC, name="billing", group=desired.group, http={"url": service.url}, retry={"attempts": 1})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            mount(tmp_path / "c" / "kafka", desired.secret_data(""))
            certificate, key = event_kafka.client_certificate(desired.user or "")
            mount(tmp_path / "c" / "certificate", {"tls.crt": certificate})
            half = started.start()
            assert half.ended() == 2
            assert "tls.key is absent: credentials.certificateSecretRef" in half.log()
            mount(tmp_path / "c" / "certificate", {"tls.key": key})
            topics.write(TOPIC, [(None, json.dumps({"id": "o-1"}).encode(), {})])
            process = started.start()
            wait_until(lambda: topics.committed(desired.group or "", TOPIC) == 1, "it is read")
            assert process.terminate() == 0
            assert "PRIVATE KEY" not in process.log()
    assert len(service.taken) == 1
