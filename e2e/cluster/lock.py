"""Lets one up or down run at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2e.cluster.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def exclusively() -> Iterator[None]:
    """Hold the harness's lock; wait for it if another process does. The kernel frees it however we end."""
    with (cache_dir() / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"waiting for process {file.read().strip()}, which is changing the cluster", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
