"""Whether a consumer is alive and ready: the rows of the table."""

from __future__ import annotations

import pytest

from eventplane.events.health import PartitionSight, Patience, why_not_alive, why_not_ready

PLACE = ("orders", 1)
FINE = PartitionSight(PLACE, 3, 1.0)
IDLE = PartitionSight(PLACE, 0, 9_999.0)
STUCK = PartitionSight(PLACE, 3, 301.0)
STOPPED = PartitionSight(PLACE, 1, 9.0, "dlq cannot be written to")
PATIENCE = Patience()
NOT_ASKED = "Kafka was not asked for 121 s"


@pytest.mark.parametrize(
    ("sight", "polled", "is_assigned", "alive", "ready"),
    [
        pytest.param(IDLE, 0.0, False, (), ("the group has not given out partitions yet",), id="1"),
        pytest.param(FINE, 121.0, True, (NOT_ASKED,), (NOT_ASKED,), id="2"),
        pytest.param(STUCK, 0.0, True, ("orders-1 is stuck: 3 under way, nothing has ended for 301 s",), (), id="3"),
        pytest.param(STOPPED, 0.0, True, (), ("orders-1 stands still: dlq cannot be written to",), id="4"),
        pytest.param(FINE, 0.0, True, (), (), id="6: at work"),
        pytest.param(IDLE, 0.0, True, (), (), id="6: nothing to do"),
    ],
)
def test_health(
    sight: PartitionSight,
    polled: float,
    is_assigned: bool,  # noqa: FBT001 - a row's
    alive: tuple[str, ...],
    ready: tuple[str, ...],
) -> None:
    assert why_not_alive([sight], polled, PATIENCE) == alive
    assert why_not_ready([sight], polled, PATIENCE, is_assigned=is_assigned) == ready


def test_a_table_that_is_not_read() -> None:
    """Row 5."""
    problem = "the table customer is not read yet"
    assert why_not_ready([FINE], 0.0, PATIENCE, is_assigned=True, tables=[None, problem]) == (problem,)
