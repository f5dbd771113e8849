"""The choice of how servers are started."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol

from e2e.servers import distribution, images
from e2e.servers.failure import ServerError
from e2e.servers.jvm import Jvm

if TYPE_CHECKING:
    from e2e.servers.configuration import Node
    from e2e.servers.registry import RegistryPlace


class Launcher(Protocol):
    """Turns a prepared place into a process.

    Both methods return once the process exists and its identity is in the place's record, not when
    the server answers. Unless it shall `outlive` this interpreter, the process ends with it where
    the launcher can arrange that.
    """

    def start_kafka(self, node: Node, *, outlive: bool) -> None: ...

    def start_registry(self, place: RegistryPlace, *, outlive: bool) -> None: ...


@cache
def choose_launcher() -> Launcher:
    """Return the launcher of `$EVENTPLANE_SERVERS` (`jvm` or `images`), else the one that can start soonest.

    That is: jars in the cache, an image in the machine's Docker engine, an image from a registry,
    jars from Maven Central.
    """
    chosen = os.environ.get("EVENTPLANE_SERVERS", "")
    if chosen not in {"", "jvm", "images"}:
        raise ServerError(f"EVENTPLANE_SERVERS is {chosen!r}, expected jvm or images")
    if chosen == "jvm" or (not chosen and distribution.kafka_present()):
        return Jvm()
    by_image = images.usable()
    if chosen == "images" and by_image is None:
        raise ServerError("EVENTPLANE_SERVERS=images, but no Docker engine of this machine has or can pull the image")
    return by_image or Jvm()
