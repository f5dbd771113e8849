"""What a relay is told, and how it says that it was told wrongly."""

import json
from pathlib import Path

import pytest

from eventplane.eventstore import ConfigurationError
from eventplane.eventstore.relay.main import main, read_settings


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka/librdkafka.json").write_text(json.dumps({"bootstrap.servers": "k:9092"}))
    (tmp_path / "kafka/topics").write_text("orders, others")
    (tmp_path / "kafka/transactionalIdPrefix").write_text("shop-")
    return {"SERVICE_BINDING_ROOT": str(tmp_path)}


def test_the_binding_is_enough(environment: dict[str, str]) -> None:
    settings = read_settings(environment)
    assert settings.routes.topic_of("anything") == "orders"
    assert (settings.name, settings.positions_topic) == ("eventstore", "eventstore-positions")
    assert (settings.transactional_id_prefix, settings.may_begin_anew) == ("shop-", False)


def test_what_the_environment_says(environment: dict[str, str]) -> None:
    told = {
        "EVENTPLANE_RELAY_TOPICS": "order.*=orders",
        "EVENTPLANE_RELAY_NAME": "shop",
        "EVENTPLANE_RELAY_POSITIONS": "positions",
        "EVENTPLANE_RELAY_START": "beginning",
        "EVENTPLANE_RELAY_IDLE_SECONDS": "2.5",
    }
    settings = read_settings(environment | told)
    assert settings.routes.topic_of("user.left") is None
    assert (settings.name, settings.positions_topic) == ("shop", "positions")
    assert (settings.may_begin_anew, settings.idle_seconds) == (True, 2.5)


@pytest.mark.parametrize(
    "told", [{"EVENTPLANE_RELAY_TOPICS": "order.*="}, {"EVENTPLANE_RELAY_IDLE_SECONDS": "soon"}], ids=["topics", "idle"]
)
def test_told_wrongly(environment: dict[str, str], told: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="EVENTPLANE_RELAY"):
        read_settings(environment | told)


def test_the_process_says_what_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path))
    monkeypatch.setattr("eventplane.eventstore.relay.main.configure_logging", lambda _level: None)
    assert main() == 2


def test_the_process_says_that_a_port_is_none(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, text in (environment | {"EVENTPLANE_PROBE_PORT": "http"}).items():
        monkeypatch.setenv(name, text)
    (Path(environment["SERVICE_BINDING_ROOT"]) / "eventstore").mkdir()
    (Path(environment["SERVICE_BINDING_ROOT"]) / "eventstore/uri").write_text("sqlite:///events.db")
    monkeypatch.setattr("eventplane.eventstore.relay.main.configure_logging", lambda _level: None)
    assert main() == 2
    assert [record.fields["problem"] for record in caplog.records] == ["EVENTPLANE_PROBE_PORT is no number"]  # type: ignore[attr-defined]  # ours
