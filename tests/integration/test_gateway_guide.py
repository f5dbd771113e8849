"""The guide to the gateway: its commands are run and what they print is what stands there; its files are read."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from integration.event_topics import Topics
from integration.gateway_process import gateway
from integration.service_process import wait_until
from integration.subjects import Subject
from integration.token_issuers import TokenIssuers

from eventplane.api.gateway_config import GatewayConfig, Grants
from hack import console_page

if TYPE_CHECKING:
    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

GUIDE = Path(__file__).parents[2] / "docs/guide/gateway.md"
INVOICE = {"properties": {"lines": {"items": {"properties": {"cents": {"type": "integer"}}}}}}
_FILE = re.compile(r"^\$ cat (\S+)\n(.*)$", re.MULTILINE)
_JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+")


@pytest.mark.kafka
def test_its_commands_print_what_it_shows(tmp_path: Path, event_kafka: Kafka, event_registry: Registry) -> None:
    page = GUIDE.read_text()
    Topics(event_kafka).create("shop.orders", "shop.paid", "shop.invoices")
    Subject(event_registry, "shop.invoices-value", "JSON").register(json.dumps(INVOICE))
    for name, text in _FILE.findall(page):
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "issuers").mkdir()
    with (
        TokenIssuers(tmp_path / "issuers") as issuers,
        gateway(tmp_path / "run", event_kafka, issuers, registry_url=event_registry.url) as process,
    ):
        token = issuers.service_account("shop:orders")
        rights = {"publish": ["shop.*"], "subscribe": ["shop.*"]}
        process.grant({"identity": "system:serviceaccount:shop:orders", **rights})
        wait_until(lambda: process.publish("shop.orders", token, b"{").status == 400, "the grants are read")
        environment = {
            "GATEWAY": process.url,
            "TOKEN": token,
            "CA": str(issuers.authority.certificate),
            "PATH": os.environ["PATH"],
        }
        found = console_page.rendered(page, lambda command: console_page.printed(command, tmp_path, environment))
    assert _TIME.sub("<time>", found) == _TIME.sub("<time>", page)


def test_its_files_are_what_the_gateway_reads() -> None:
    config, grants = _JSON.findall(GUIDE.read_text())
    assert GatewayConfig.model_validate_json(config).oidc[0].name == "people"
    assert Grants.model_validate_json(grants).grants[1].subscribe == ("shop.orders",)
