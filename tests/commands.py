"""How a command ends."""

from typing import NamedTuple


class Ended(NamedTuple):
    """Exit code, and what was printed."""

    code: int
    out: str
    err: str
