"""The harness's command line: `python -m e2e.cluster up|down|status|image|kubeconfig`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import TYPE_CHECKING

from e2e import servers
from e2e.cluster import engine as engines
from e2e.cluster import kind_cluster, lifecycle, operator_image
from e2e.cluster.commands import HarnessError, stop_running
from e2e.cluster.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from e2e.cluster.cluster import Cluster


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring up engine, cluster and messaging servers; what runs is kept")
    stopping = commands.add_parser("down", help="stop exactly what up started")
    stopping.add_argument("--purge", action="store_true", help="delete the cache directory too")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("image", help="build the operator's image and load it into the cluster if that runs")
    commands.add_parser("kubeconfig", help="print the path of the cluster's kubeconfig")
    chosen = parser.parse_args(words)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return _run(chosen)
    except (HarnessError, servers.ServerError, PermissionError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the next up goes on from here, down cleans up", file=sys.stderr)
        return 130
    finally:
        stop_running()


def _run(chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "up":
            began = time.monotonic()
            _explain(lifecycle.up(), time.monotonic() - began)
        case "down":
            lifecycle.down(purge=chosen.purge)
        case "status":
            return _status()
        case "image":
            print(operator_image.build_and_load())
        case _:
            return _kubeconfig()
    return 0


def _explain(cluster: Cluster, seconds: float) -> None:
    print(
        f"\nUp after {seconds:.1f} s. Use it with\n"
        f"  export KUBECONFIG={cluster.kubeconfig}\n"
        f"  {cluster.kubectl_path} get pods --all-namespaces\n"
        f"Messaging servers listen at {cluster.gateway}; `python -m e2e.servers status` names their ports.\n"
        f"Stop everything with: python -m e2e.cluster down"
    )


def _status() -> int:
    engine = engines.running()
    owner = "none" if engine is None else "our own" if engine.ours else "the machine's"
    print(f"engine      {owner}")
    cluster = kind_cluster.usable(engine) if engine else None
    print(f"cluster     {f'{cluster.name} runs, {cluster.kubeconfig}' if cluster else 'not usable'}")
    print(f"servers     {_servers()}")
    print(f"cache       {cache_dir()}")
    return 0 if cluster else 1


def _servers() -> str:
    try:
        kafka = servers.load(lifecycle.servers_dir()).kafka
    except servers.ServerError:
        return "not started"
    return f"Kafka answers at {kafka.bootstrap('PLAINTEXT')}" if kafka.answers else "Kafka does not answer"


def _kubeconfig() -> int:
    engine = engines.running()
    cluster = kind_cluster.usable(engine) if engine else None
    if cluster is None:
        raise HarnessError("no cluster runs: python -m e2e.cluster up")
    print(cluster.kubeconfig)
    return 0


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
