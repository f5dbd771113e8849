"""What a relay has done and is at: counted by the relay, looked at by its probes. Decides nothing."""

from collections import Counter
from collections.abc import Callable, Mapping

from eventplane.events.relay_health import RelaySight, RelayState
from eventplane.eventstore.stored import Position


class Progress:
    """The progress of one relay.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._state = RelayState.BEGINNING
        self._problem: str | None = None
        self._stepped_at = clock()
        self.position: Position | None = None
        """Up to where it has relayed; None while it waits for its turn."""
        self.relayed: Counter[str] = Counter()
        """Events by topic."""
        self.unrouted = 0
        """Events that go to no topic."""
        self.failures: Counter[str] = Counter()
        """How often it began again, by reason."""
        self.is_stopping = False

    @property
    def is_relaying(self) -> bool:
        """Whether it has its turn."""
        return self._state is RelayState.RELAYING

    def step(self) -> None:
        """Something has ended, however it did."""
        self._stepped_at = self._clock()

    def begin(self) -> None:
        """It asks for its turn, or has got it and looks for its position."""
        self._be(RelayState.BEGINNING, None)

    def stand_by(self) -> None:
        """Another has the turn."""
        self._problem = None
        self._be(RelayState.STANDING_BY, None)

    def relay(self, position: Position) -> None:
        """It goes on behind a position; whether what had failed is over, the first commit will tell."""
        self._be(RelayState.RELAYING, position)

    def commit(self, position: Position, relayed: Mapping[str, int], unrouted: int) -> None:
        """Everything up to a position is relayed; nothing was to be done, or it is done."""
        self._problem = None
        self._be(RelayState.RELAYING, position)
        self.relayed.update(relayed)
        self.unrouted += unrouted

    def fail(self, reason: str, problem: str) -> None:
        """It has to begin again."""
        self.failures[reason] += 1
        self._problem = problem
        self.begin()

    def sight(self) -> RelaySight:
        """Show what is the case."""
        return RelaySight(self._state, self._clock() - self._stepped_at, self._problem, self.is_stopping)

    def _be(self, state: RelayState, position: Position | None) -> None:
        self._state = state
        self.position = position
        self.step()
