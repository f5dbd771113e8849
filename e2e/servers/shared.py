"""The servers that a cluster shares: fixed ports, alive until they are stopped, known by their run directory."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

from e2e.servers import run_directories
from e2e.servers.configuration import Credentials, Listener
from e2e.servers.distribution import exclusive
from e2e.servers.failure import ServerError
from e2e.servers.kafka import BrokerCount, Identity, Kafka, new_identity
from e2e.servers.polling import poll
from e2e.servers.private_files import write_private
from e2e.servers.registry import Registry, RegistryPlace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_BASE_PORT = 29000
_REGISTRY_PORT = 1  # after the base; the brokers' ports begin at 10 after it
_HANG_SECONDS = 5


@dataclass(frozen=True)
class Servers:
    """The servers of one run directory."""

    run_dir: Path
    kafka: Kafka
    registry: Registry | None

    @property
    def credentials(self) -> Path:
        """The file, readable by its owner only, that holds addresses and the admin's password."""
        return self.run_dir / "servers.json"


def start(
    address: str, run_dir: Path, brokers: BrokerCount = 1, *, registry: bool = True, base_port: int | None = None
) -> Servers:
    """Bring the servers up on `address` and return once they answer.

    What runs and answers is reused, what is dead is started again with its data. Servers of another
    address, port or number of brokers are replaced by new ones. A registry that runs is kept also
    without `registry`. The ports begin at `base_port`, `$EVENTPLANE_SERVERS_PORT`, or 29000.

    Raises ServerError, with the end of the log, where a server does not come up.
    """
    base_port = base_port or int(os.environ.get("EVENTPLANE_SERVERS_PORT", _BASE_PORT))
    with _alone(run_dir):
        known = _load(run_dir)
        if known and _differs(known.kafka.identity, brokers, address, base_port):
            run_directories.remove(run_dir)
            known = None
        run_dir.mkdir(parents=True, exist_ok=True)
        identity = known.kafka.identity if known else new_identity(brokers, address, base_port)
        servers = _servers(run_dir, identity, registry=registry or bool(known and known.registry))
        # Before the first process, so that no process runs whose password is not known.
        write_private(servers.credentials, json.dumps(_record(servers), indent=2) + "\n")
        _start(servers)
    return servers


def load(run_dir: Path) -> Servers:
    """Return the servers that were started in `run_dir`; raise ServerError where none were."""
    servers = _load(run_dir)
    if servers is None:
        raise ServerError(f"no servers were started in {run_dir}")
    return servers


def stop(run_dir: Path) -> None:
    """Kill the servers of `run_dir` and delete it with their data; what does not exist is no error."""
    with _alone(run_dir):
        if run_dir.exists():
            run_directories.remove(run_dir)


def _start(servers: Servers) -> None:
    if not poll(lambda: servers.kafka.answers or not servers.kafka.runs, _HANG_SECONDS):
        servers.kafka.stop()
    starts = [servers.kafka.start] + ([servers.registry.start] if servers.registry else [])
    with ThreadPoolExecutor(len(starts)) as pool:
        for begun in [pool.submit(start_one) for start_one in starts]:
            begun.result()


def _servers(run_dir: Path, identity: Identity, *, registry: bool) -> Servers:
    kafka = Kafka(run_dir=run_dir, identity=identity)
    place = RegistryPlace(run_dir / "registry", identity.address, identity.base_port + _REGISTRY_PORT)
    return Servers(run_dir, kafka, Registry(place, outlive=True) if registry else None)


def _load(run_dir: Path) -> Servers | None:
    try:
        record = json.loads((run_dir / "servers.json").read_text())
    except FileNotFoundError:
        return None
    identity = Identity(**{**record["identity"], "admin": Credentials(**record["identity"]["admin"])})
    return _servers(run_dir, identity, registry=record["registry"] is not None)


def _record(servers: Servers) -> dict[str, object]:
    """Return what `_load` needs, and for other readers the addresses."""
    return {
        "identity": asdict(servers.kafka.identity),
        "bootstrap": {listener: servers.kafka.bootstrap(listener) for listener in get_args(Listener)},
        "ca": str(servers.run_dir / "ca.pem"),
        "registry": servers.registry.url if servers.registry else None,
    }


def _differs(identity: Identity, brokers: int, address: str, base_port: int) -> bool:
    return (identity.brokers, identity.address, identity.base_port) != (brokers, address, base_port)


def _alone(run_dir: Path) -> AbstractContextManager[None]:
    return exclusive(f"run-{hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:12]}")
