"""The run of a bench: a cluster, the measuring, the report, and how it ended."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from bench.cluster import cluster
from bench.failure import BenchError
from bench.report import print_report
from e2e.servers import ServerError


def run_bench(measured: dict[str, Any], kubeconfig: Path | None, measure: Callable[[Path], None]) -> int:
    """Measure on a cluster and print what is known; return the exit code, which says whether all came to its end.

    Args:
        measured: what is known already; `measure` adds to it, so that what it found stands even if the rest fails.
        kubeconfig: the cluster to use; None brings one up.
        measure: does the work on the cluster of a kubeconfig.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as on Ctrl-C: everything started is stopped
    measured["load_average_before"] = os.getloadavg()[0]
    with cluster(kubeconfig) as used:
        try:
            measure(used)
        except (BenchError, ServerError, aiohttp.ClientError, OSError) as failure:
            measured["failed"] = str(failure) or type(failure).__name__
        except KeyboardInterrupt:
            measured["failed"] = "interrupted"
    measured["load_average_after"] = os.getloadavg()[0]
    print_report(measured)
    return 1 if "failed" in measured else 0
