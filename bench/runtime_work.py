"""What floor and consumer are given to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FloorWork:
    """The floor's work."""

    case: str
    client: Mapping[str, Any]
    topic: str
    out: str
    group: str
    count: int
    url: str = ""
    concurrency: int = 16
