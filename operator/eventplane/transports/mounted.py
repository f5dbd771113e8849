"""What is made of mounted files, and made anew when they have changed: Kubernetes swaps them in place.

What is read once is `binding`'s.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SECONDS: Final = 10.0


class MountedError(Exception):
    """A file that is absent or of no use; the message names it, and shows nothing of what is in it."""


class Mounted(Generic[T]):
    """Something made of files; while what they hold is of no use, it is what it was."""

    def __init__(self, paths: Sequence[Path], make: Callable[[Sequence[bytes | None]], T]) -> None:
        """Make it.

        Args:
            paths: of the files.
            make: is given what is in them, None for one that is absent; raises MountedError.

        Raises:
            MountedError: it cannot be made.
        """
        self._paths = paths
        self._make = make
        self._texts = self._read()
        self.made = make(self._texts)
        """As the files had it when they were looked at last."""
        self.is_current = True
        """Whether what they hold now is of use."""
        self._next_look = float("-inf")

    def current(self, now: float) -> T:
        """Return it, as the files have it that are looked at every ten seconds.

        Args:
            now: seconds, of a clock that only goes forward.
        """
        if now >= self._next_look:
            self._next_look = now + _SECONDS
            self.refresh()
        return self.made

    def refresh(self) -> None:
        """Look at the files, and make it anew if they have changed."""
        try:
            texts = self._read()
            if texts != self._texts:
                self.made = self._make(texts)
                self._texts = texts
                logger.info("mounted files were read again", extra={"fields": {"files": self._names()}})
            self.is_current = True
        except MountedError as error:
            if self.is_current:
                logger.error("what was read before is used on", extra={"fields": {"problem": str(error)}})  # noqa: TRY400
            self.is_current = False

    def _names(self) -> list[str]:
        return [str(path) for path in self._paths]

    def _read(self) -> list[bytes | None]:
        return [_content(path) for path in self._paths]


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MountedError(f"{path} cannot be read: {error.strerror}") from error
