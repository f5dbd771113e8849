"""Command line of the shared servers: `python -m e2e.servers up|down|status`."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from e2e.cluster.paths import run_dir
from e2e.servers import ServerError, Servers, load, start, stop
from e2e.servers.configuration import LOOPBACK, Listener

if TYPE_CHECKING:
    from e2e.servers.kafka import BrokerCount


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, or 1 where the servers do not answer."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "down":
            stop(options.run_dir)
            return 0
        servers = _up(options) if options.command == "up" else load(options.run_dir)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return _print_status(servers)


def _up(options: argparse.Namespace) -> Servers:
    begun = time.monotonic()
    address: str = LOOPBACK
    brokers: BrokerCount = 1
    with suppress(ServerError):
        # Not asked for another address, keep the one of the servers that a cluster's pods may be using.
        known = load(options.run_dir).kafka.identity
        address, brokers = known.address, known.brokers
    address, brokers = options.address or address, options.brokers or brokers
    servers = start(address, options.run_dir, brokers, registry=options.registry)
    print(f"servers answer after {time.monotonic() - begun:.1f} s")
    return servers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m e2e.servers", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--run-dir", type=Path, default=run_dir() / "servers", help="default: %(default)s")
    parser.add_argument("--address", help=f"where clients reach the servers; default: as they are, else {LOOPBACK}")
    parser.add_argument("--brokers", type=int, choices=[1, 3], help="default: as they are, else 1")
    parser.add_argument("--registry", action="store_true", help="start the schema registry too")
    return parser


def _print_status(servers: Servers) -> int:
    kafka, registry = servers.kafka, servers.registry
    states = {"kafka": kafka.answers} | ({"registry": registry.answers} if registry else {})
    for name, answers in states.items():
        print(f"{name:<15} {'answers' if answers else 'does not answer'}")
    for listener in get_args(Listener):
        print(f"{listener:<15} {kafka.bootstrap(listener)}")
    if registry:
        print(f"{'registry':<15} {registry.url}")
    print(f"{'credentials':<15} {servers.credentials}")
    return 0 if all(states.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
