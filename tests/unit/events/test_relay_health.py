"""Whether a relay is alive and ready: the rows of the table."""

from __future__ import annotations

import pytest

from eventplane.events.relay_health import RelaySight, RelayState, why_relay_not_alive, why_relay_not_ready

RELAYING, STANDING_BY, BEGINNING = RelayState.RELAYING, RelayState.STANDING_BY, RelayState.BEGINNING
STUCK = "the relay is stuck while relaying: nothing has ended for 301 s"


@pytest.mark.parametrize(
    ("sight", "alive", "ready"),
    [
        pytest.param(RelaySight(RELAYING, 1.0, is_stopping=True), (), ("stopping",), id="1"),
        pytest.param(RelaySight(RELAYING, 301.0), (STUCK,), (STUCK,), id="2"),
        pytest.param(RelaySight(RELAYING, 301.0, is_stopping=True), (STUCK,), (STUCK, "stopping"), id="1 and 2"),
        pytest.param(RelaySight(BEGINNING, 1.0, "no Kafka"), (), ("the relay begins again: no Kafka",), id="3"),
        pytest.param(
            RelaySight(RELAYING, 1.0, "no Kafka"),
            (),
            ("the relay begins again: no Kafka",),
            id="3: it has its turn, and nothing is committed yet",
        ),
        pytest.param(RelaySight(BEGINNING, 1.0), (), ("the relay has not begun yet",), id="4"),
        pytest.param(RelaySight(RELAYING, 300.0), (), (), id="5: relays"),
        pytest.param(RelaySight(STANDING_BY, 1.0), (), (), id="5: stands by"),
    ],
)
def test_health(sight: RelaySight, alive: tuple[str, ...], ready: tuple[str, ...]) -> None:
    assert why_relay_not_alive(sight) == alive
    assert why_relay_not_ready(sight) == ready
