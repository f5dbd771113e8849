"""The time of an event that is to be delivered later, as a publisher is told it."""

import time
from datetime import datetime, timedelta

from eventplane.client.errors import EventRejectedError
from eventplane.events.record import Header
from eventplane.events.scheduling import ScheduleError, not_before


def header_of(at: datetime | timedelta) -> Header:
    """Return the header that says so.

    Raises:
        EventRejectedError: a time without a zone, or too far ahead.
    """
    try:
        return not_before(at, time.time_ns() // 1_000_000)
    except ScheduleError as error:
        raise EventRejectedError(f"at: {error}") from error
