"""The error of a server that does not come up, with the end of what it printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ServerError(RuntimeError):
    """A server did not start or does not answer."""

    def __init__(self, what: str, log: str = "") -> None:
        super().__init__(f"{what}\n{log}" if log else what)


def log_tail(path: Path, lines: int = 30) -> str:
    """Return the end of a log with its path, for an error message."""
    try:
        kept = path.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return f"{path} does not exist"
    return "\n".join([f"--- end of {path}", *kept])
