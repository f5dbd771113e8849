"""When a process exports its spans: only where it is asked to, and never at the price of not starting."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from eventplane import tracing


@pytest.mark.parametrize(
    ("environment", "exporter"),
    [
        pytest.param({}, None, id="nobody asks"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "otlp_proto_http", id="an endpoint"),
        pytest.param({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1"}, "otlp_proto_http", id="one of traces"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "otlp_proto_grpc",
            id="a protocol",
        ),
        pytest.param(
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "otlp_proto_http",
            id="one of traces goes first",
        ),
        pytest.param({"OTEL_TRACES_EXPORTER": "console"}, "console", id="another exporter"),
        pytest.param({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, None, id="none"),
        pytest.param(
            {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, None, id="turned off"
        ),
    ],
)
def test_which_exporter_is_asked_for(environment: dict[str, str], exporter: str | None) -> None:
    assert tracing._exporter(environment) == exporter  # noqa: SLF001 - its table


PROGRAM = """
import os
from eventplane.telemetry import configure_logging
from eventplane.tracing import About, Read, begin_process, configure_tracing, is_tracing
configure_logging("INFO")
configure_tracing(os.environ, "tests")
if is_tracing():
    begin_process(About("orders", "1", "/s", "t"), Read(0, 7, ()), {}).end()
"""


def run(**environment: str) -> str:
    told = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=told | environment, capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout


def test_a_process_that_is_asked_exports_its_spans() -> None:
    span = json.loads(run(OTEL_TRACES_EXPORTER="console"))
    assert span["name"] == "process orders"
    assert span["attributes"]["messaging.kafka.offset"] == 7
    assert span["resource"]["attributes"]["service.name"] == "tests"
    for named in ({"OTEL_SERVICE_NAME": "billing"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=billing"}):
        span = json.loads(run(OTEL_TRACES_EXPORTER="console", **named))
        assert span["resource"]["attributes"]["service.name"] == "billing"


def test_an_exporter_that_is_absent_is_told_of() -> None:
    line = json.loads(run(OTEL_TRACES_EXPORTER="pigeon"))
    assert (line["level"], line["problem"]) == ("warning", "exporter pigeon is not installed")


def test_a_process_that_nobody_asks_exports_nothing() -> None:
    assert run() == ""
