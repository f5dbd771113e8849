"""Where the harness keeps its files: one cache directory, and nothing outside it.

Layout below ``cache_dir()``: ``bin`` (finished programs), ``run`` (state of what runs now),
``logs`` (full output of every long step). Nothing here starts or changes anything else.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAG = "CACHEDIR.TAG"  # https://bford.info/cachedir: backup programs skip such a directory
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Eventplane keeps programs, images and logs here.\n"


def cache_dir() -> Path:
    """Return the cache directory: ``$EVENTPLANE_CACHE``, else ``eventplane`` in the user's cache."""
    chosen = os.environ.get("EVENTPLANE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = Path(chosen or f"{base}/eventplane").expanduser().resolve()
    if not path.exists():
        _made(path).joinpath(_TAG).write_text(_SIGNATURE)
    return path


def delete_cache() -> None:
    """Delete the cache directory if the harness made it.

    Raises:
        PermissionError: the directory existed before the harness used it, so it may hold the user's files.
    """
    path = cache_dir()
    if not path.joinpath(_TAG).exists():
        raise PermissionError(f"{path} was not made by the harness (no {_TAG} in it): delete it yourself")
    shutil.rmtree(path)


def bin_dir() -> Path:
    """Return the directory of finished programs (kind, helm, kubectl, ...)."""
    return _made(cache_dir() / "bin")


def run_dir() -> Path:
    """Return the directory that holds the state of what runs now: pids, kubeconfig, data."""
    return _made(cache_dir() / "run")


def log_dir() -> Path:
    """Return the directory of full logs."""
    return _made(cache_dir() / "logs")


@contextmanager
def scratch_dir(purpose: str) -> Iterator[Path]:
    """Give an empty directory for unfinished work and remove it at the end; what a crash left is removed first.

    Its name has our pid, so that a program which outlived its harness cannot write into a later run's directory.
    """
    for stale in _made(cache_dir() / "scratch").glob(f"{purpose}.*"):
        shutil.rmtree(stale, ignore_errors=True)
    path = cache_dir() / "scratch" / f"{purpose}.{os.getpid()}"
    try:
        yield _made(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_whole(file: Path, text: str) -> None:
    """Write a private file so that a reader sees all of it or none."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(file)


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
