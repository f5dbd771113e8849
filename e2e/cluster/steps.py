"""Tells the user what the harness does: each step with its time, and a sign of life during long ones."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEARTBEAT_SECONDS = 15.0
_BEGIN = time.monotonic()
_PRINTING = threading.Lock()


class Step:
    """A piece of work with a title, a current activity, and perhaps a log that grows."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._started = time.monotonic()
        self._activity = ""
        self._log: Path | None = None
        self._result = "done"

    def doing(self, activity: str, log: Path | None = None) -> None:
        """Say what is done now, and which log shows its progress."""
        self._activity, self._log = activity, log

    def result(self, text: str) -> None:
        """Say what came out; printed when the step ends."""
        self._result = text

    def tell(self, text: str) -> None:
        """Print one line about this step, with the time since the program began."""
        with _PRINTING:
            print(f"{time.monotonic() - _BEGIN:6.1f} s  {self.title}: {text}", flush=True)

    def beat(self) -> None:
        """Print the sign of life: the activity and the last line of its log."""
        newest = last_line(self._log) if self._log else ""
        self.tell(f"still {self._activity or 'at it'}" + (f" ({newest})" if newest else ""))

    def close(self) -> None:
        """Print the result with the step's own time."""
        self.tell(f"{self._result} ({time.monotonic() - self._started:.1f} s)")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Run a piece of work as a step: its end, its failure and its heartbeats are printed."""
    current = Step(title)
    over = threading.Event()
    heart = threading.Thread(target=_beat_until, args=(current, over), daemon=True)
    heart.start()
    try:
        yield current
    except BaseException:
        current.result("FAILED")
        raise
    finally:
        over.set()
        heart.join()
        current.close()


def _beat_until(current: Step, over: threading.Event) -> None:
    while not over.wait(HEARTBEAT_SECONDS):
        current.beat()


def last_line(log: Path, width: int = 100) -> str:
    """Return the last non-empty line of a log, cut to `width` characters; empty when there is none."""
    lines = [line.strip() for line in tail(log, 5).splitlines() if line.strip()]
    return lines[-1][:width] if lines else ""


def tail(log: Path, count: int = 30) -> str:
    """Return the last `count` lines of a log; empty when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
