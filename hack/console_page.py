"""Pages that show a console: their commands are run, and what they really print stands below each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Run: TypeAlias = Callable[[str], str]
"""Runs a command and returns what it prints."""
_SECONDS = 420
"""So long a command may take; some wait for an autoscaler."""


def rendered(page: str, run: Run) -> str:
    """Run the commands of a page's console blocks in order and put what they print below each."""
    return "".join(_lines(page, run))


def _lines(page: str, run: Run) -> Iterator[str]:
    within = False
    for line in page.splitlines(keepends=True):
        if line.startswith("```"):
            within = line == "```console\n"
        if not within or line.startswith("```"):
            yield line
        elif line.startswith("$ "):
            yield line
            yield run(line.removeprefix("$ "))


def printed(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command as a shell at a prompt does; return all that it prints, ending with a line's end."""
    ended = subprocess.run(  # noqa: S602 - the pages are ours, and show a shell
        command,
        shell=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=dict(environment),
        timeout=_SECONDS,
    )
    return ended.stdout if ended.stdout.endswith("\n") or not ended.stdout else f"{ended.stdout}\n"
