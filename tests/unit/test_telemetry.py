"""Logs as JSON lines, and what never stands in them."""

import json
import logging
from typing import Any

import pytest

from eventplane.api.conditions import Reason
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.outcome import Rejected
from eventplane.telemetry import JsonFormatter, configure_logging

SECRET = "hunter2"  # noqa: S105 - what must not be seen


def line(
    message: str, *args: object, level: int = logging.INFO, exc_info: Any = None, **extra: object
) -> dict[str, Any]:
    record = logging.LogRecord("eventplane.test", level, __file__, 1, message, args, exc_info)
    record.__dict__.update(extra)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_record_is_one_line_with_its_fields() -> None:
    fields = {"kind": "EventTopic", "namespace": "shop", "name": "orders", "changes": ["create\ntopic"]}
    written = line("reconciled %s", "well", fields=fields)
    assert written["message"] == "reconciled well"
    assert written["level"] == "info"
    assert written["logger"] == "eventplane.test"
    assert written["time"].endswith("+00:00")
    assert {key: written[key] for key in fields} == fields


def test_an_exception_is_in_the_line() -> None:
    with pytest.raises(Rejected) as caught:
        raise Rejected(Reason.REJECTED, "no")
    written = line("failed", level=logging.ERROR, exc_info=(caught.type, caught.value, caught.tb))
    assert "Rejected: no" in written["exception"]


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert line("x", fields={"error": Rejected(Reason.REJECTED, "no")})["error"] == "no"
    assert line("x", fields="no mapping")["message"] == "x"


def test_a_connection_does_not_show_its_secrets() -> None:
    connection = KafkaConnection(
        ("kafka:9092",), tls=True, ca_pem="ca", key_pem=SECRET, mechanism="PLAIN", username="u", password=SECRET
    )
    written = line("connecting %s", connection, fields={"connection": str(connection), "same": repr([connection])})
    assert SECRET not in json.dumps(written)


def test_configured_logging_is_json_and_keeps_libraries_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    root, chatty = logging.getLogger(), logging.getLogger("kopf")
    before = root.handlers[:], root.level, chatty.level
    try:
        configure_logging("INFO")
        logging.getLogger("eventplane").info("hello")
        chatty.info("chatter")
        logging.getLogger("eventplane").debug("detail")
    finally:
        root.handlers[:], root.level, chatty.level = before
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["message"] for each in lines] == ["hello"]
