"""Durations (`7d`) and sizes (`50Gi`) as users write them, and the integers that Kafka takes."""

import re
from typing import Annotated, Final

from pydantic import Field

UNLIMITED: Final = "unlimited"

_DURATION: Final = r"([0-9]{1,9})(ms|s|m|h|d|w)"
_SIZE: Final = r"([0-9]{1,15})(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"
_MILLISECONDS: Final[dict[str, int]] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_BYTES: Final[dict[str, int]] = {"": 1} | {
    prefix + suffix: int(base**power)
    for suffix, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate(("K" if suffix else "k", "M", "G", "T", "P"), start=1)
}

Duration = Annotated[str, Field(pattern=f"^{_DURATION}$")]
Size = Annotated[str, Field(pattern=f"^{_SIZE}$")]
RetentionTime = Annotated[str, Field(pattern=f"^({UNLIMITED}|{_DURATION})$")]
RetentionSize = Annotated[str, Field(pattern=f"^({UNLIMITED}|{_SIZE})$")]


def milliseconds(duration: str) -> int:
    """Convert a duration such as `15m` to milliseconds; `unlimited` is -1, Kafka's own word for it.

    Raises:
        ValueError: the text is not a number followed by ms, s, m, h, d or w.
    """
    if duration == UNLIMITED:
        return -1
    match = re.fullmatch(_DURATION, duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration: write a number and one of ms, s, m, h, d, w, such as 7d")
    return int(match[1]) * _MILLISECONDS[match[2]]


def size_bytes(size: str) -> int:
    """Convert a size such as `50Gi` to bytes; `unlimited` is -1, Kafka's own word for it.

    Raises:
        ValueError: the text is not a number with an optional Kubernetes quantity suffix.
    """
    if size == UNLIMITED:
        return -1
    match = re.fullmatch(_SIZE, size)
    if match is None:
        raise ValueError(f"{size!r} is not a size: write a number and one of k, M, G, T, P, Ki, Mi, Gi, Ti, Pi")
    return int(match[1]) * _BYTES[match[2] or ""]
