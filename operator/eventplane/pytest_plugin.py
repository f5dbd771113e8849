"""A pytest plugin: the fixture `event_broker`, a broker in memory for each test that asks.

pytest finds it by its entry point. It imports nothing before a test asks, so that it costs the others nothing.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from eventplane.testing import MemoryBroker


@pytest.fixture
def event_broker() -> "MemoryBroker":
    """Topics in memory: `EventPublisher(event_broker)`, `EventSubscriber(event_broker, "group")`."""
    from eventplane.testing import MemoryBroker  # noqa: PLC0415 - see above

    return MemoryBroker()
