"""Directories in which servers run: their removal with all that runs there, also for owners that died."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from e2e.cluster.paths import run_dir
from e2e.servers.processes import recorded

_PRIVATE = "private-"
_OWNER = "owner"


def create_private() -> Path:
    """Return a new directory that belongs to this interpreter; remove those of dead interpreters first."""
    _sweep()
    directory = Path(tempfile.mkdtemp(prefix="new-", dir=run_dir()))
    shutil.copy(f"/proc/{os.getpid()}/stat", directory / _OWNER)
    # Named as private only with its owner inside, or another interpreter's sweep might take it for an orphan.
    return directory.rename(directory.with_name(directory.name.replace("new-", _PRIVATE, 1)))


def remove(directory: Path) -> None:
    """Kill the servers that are recorded in the directories below `directory`, and delete it."""
    for record in directory.glob("*/process"):
        if process := recorded(record):
            process.end()
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        raise OSError(f"{directory} cannot be deleted: something still writes there")


def _sweep() -> None:
    for directory in run_dir().glob(f"{_PRIVATE}*"):
        if recorded(directory / _OWNER) is None:
            remove(directory)
