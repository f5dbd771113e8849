"""What a user of the event store may be told: who was faster, whether the database answers, what cannot be read."""


class EventStoreError(Exception):
    """Something that the event store cannot do; trying again is useless unless a subclass says otherwise."""


class ConcurrencyError(EventStoreError):
    """Somebody else appended first: load the aggregate again, decide again, append again."""

    def __init__(self, aggregate_id: str, expected_version: int, actual_version: int) -> None:
        super().__init__(f"{aggregate_id} is at version {actual_version}, not {expected_version}")
        self.aggregate_id = aggregate_id
        self.expected_version = expected_version
        self.actual_version = actual_version


class StoreUnavailableError(EventStoreError):
    """The database did not answer: what was asked may have been done. The same events may be appended again."""
