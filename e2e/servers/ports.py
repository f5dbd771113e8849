"""TCP ports: a block per instance, reserved so that instances can run side by side."""

from __future__ import annotations

import fcntl
import os
import random
import socket

from e2e.cluster.paths import run_dir

BLOCK = 40

# Below the ephemeral range, where any outgoing connection may sit on a port between a broker's
# end and its restart, and below Kubernetes' node ports.
_PRIVATE = range(20000, 28960, BLOCK)


def reserve(address: str) -> int:
    """Return the first of `BLOCK` ports, free on `address` and the loopback and reserved until this interpreter ends.

    Raises OSError if there is none.
    """
    locks = run_dir() / "ports"
    locks.mkdir(exist_ok=True)
    for base in random.sample(_PRIVATE, len(_PRIVATE)):
        lock = os.open(locks / str(base), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if all(_free(host, port) for host in {address, "127.0.0.1"} for port in range(base, base + BLOCK)):
            return base
        os.close(lock)
    raise OSError(f"no block of {BLOCK} free ports between {_PRIVATE.start} and {_PRIVATE.stop}")


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
