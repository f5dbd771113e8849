"""The cluster that a bench uses."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from e2e import cluster as harness
from e2e.cluster import engine as engines
from e2e.cluster import kind_cluster


@contextlib.contextmanager
def cluster(given: Path | None) -> Iterator[Path]:
    """Use a given cluster, or the harness's, which is taken down again if it had to be brought up."""
    if given is not None:
        yield given
        return
    engine = engines.running()
    found = engine is not None and kind_cluster.usable(engine) is not None
    try:
        yield harness.up().kubeconfig
    finally:
        if not found:
            harness.down()
