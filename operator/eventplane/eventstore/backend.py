"""What a database must do for the event store. These docstrings are the contract; one suite tries all of them on it."""

from collections.abc import Sequence
from typing import Protocol

from eventplane.eventstore.stored import Backlog, NewRow, Position, Row, SnapshotRow


class Lease(Protocol):
    """The right to be the only one at something."""

    async def is_held(self) -> bool:
        """Tell whether it is ours still; to be asked every few seconds, or it goes to somebody else."""
        ...

    async def release(self) -> None:
        """Let somebody else have it."""
        ...


class Backend(Protocol):
    """A database. Methods raise StoreUnavailableError where it does not answer.

    Streams of different tenants have nothing to do with each other. Versions of a stream are 1, 2, 3, without gaps.
    """

    async def open(self) -> None:
        """Connect, and make the tables where there are none. Harmless twice."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    async def append(self, tenant: str, stream: str, expected: int | None, rows: Sequence[NewRow]) -> int:
        """Append all rows or none, and return the version of the last one once it is durable.

        Args:
            tenant: whose stream it is.
            stream: to append to.
            expected: the version that the stream must have; 0: it must be new; None: any.
            rows: at least one. Appended already at that very place, they are not appended again.

        Raises:
            ConcurrencyError: the stream has another version.
        """
        ...

    async def version(self, tenant: str, stream: str) -> int:
        """Return the version of the last event of a stream; 0: there is none."""
        ...

    async def read(self, tenant: str, stream: str, first: int, last: int | None) -> Sequence[Row]:
        """Return the events of a stream from version `first` to `last`, both included; None: to the end."""
        ...

    async def read_all(self, after: Position, limit: int, tenant: str | None = None) -> Sequence[Row]:
        """Return at most so many events behind a position, in order.

        Whoever goes on behind the last one returned meets every event exactly once: what is committed later than
        something that was returned stands behind it. Within a stream the order is that of versions.

        Args:
            after: the last position that is known.
            limit: how many.
            tenant: of one tenant only; None: of all.
        """
        ...

    async def backlog(self, after: Position, most: int) -> Backlog:
        """Measure what is committed behind a position, of all tenants.

        That includes what `read_all` does not return yet since a transaction runs that began earlier.

        Args:
            after: the last position that is done with.
            most: no more than so many are looked at.
        """
        ...

    async def put_snapshot(self, tenant: str, stream: str, snapshot: SnapshotRow) -> None:
        """Keep a snapshot, unless a newer one is there."""
        ...

    async def snapshot(self, tenant: str, stream: str) -> SnapshotRow | None:
        """Return the newest snapshot of a stream."""
        ...

    async def lease(self, name: str, idle_seconds: float) -> Lease | None:
        """Take the right to be the only one at something; None: somebody else has it.

        Args:
            name: of what.
            idle_seconds: a holder that does not ask for so long may lose it. One whose process ends loses it at once.
        """
        ...
