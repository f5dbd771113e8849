"""The servers as containers of public images on the host's network.

Untested: it was written on a machine where no image registry answers. The configuration is the
one that the JVM launcher is tested with; what is particular to containers is below.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster import engine as engines
from e2e.cluster import registry as image_registry
from e2e.cluster.commands import CommandError
from e2e.servers.distribution import REGISTRY_VERSION, announce, kafka_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.cluster.engine import Engine
    from e2e.servers.configuration import Node
    from e2e.servers.registry import RegistryPlace

_PULL_SECONDS = 600.0
_TOOLS = "/opt/kafka/bin"


@dataclass(frozen=True)
class Images:
    """Starts servers as containers; their processes are the host's too, so pid and signals work alike."""

    engine: Engine

    def start_kafka(self, node: Node, *, outlive: bool) -> None:
        """Start a prepared node; it formats its data directory first where there is none."""
        del outlive  # a container always does; `stop` ends it, or the next private cluster's start
        properties, log = shlex.quote(str(node.properties)), shlex.quote(str(node.log))
        script = (
            f"exec >>{log} 2>&1\n"
            f"[ -e {shlex.quote(str(node.data / 'meta.properties'))} ] || "
            f"{_TOOLS}/kafka-storage.sh format -t {node.cluster_id} -c {properties}\n"
            f"exec {_TOOLS}/kafka-server-start.sh {properties}"
        )
        # The parent holds the CA that the node's configuration names.
        env = {"KAFKA_OPTS": " ".join(node.java_options)}
        self._run(_kafka_image(), node.record, node.directory.parent, env=env, command=["/bin/sh", "-ec", script])

    def start_registry(self, place: RegistryPlace, *, outlive: bool) -> None:
        """Start the registry."""
        del outlive
        self._run(_registry_image(), place.record, place.directory, env=place.settings())

    def _run(
        self,
        image: str,
        record: Path,
        mount: Path,
        *,
        env: Mapping[str, str] | None = None,
        command: list[str] | None = None,
    ) -> None:
        """Run a container that is recorded like a process: its first process, seen from the host."""
        name = f"eventplane-{hashlib.sha256(str(record).encode()).hexdigest()[:12]}"
        with suppress(CommandError):  # there is none, unless a crash came between `run` and the record
            self.engine.docker("rm", "--force", name)
        settings = [word for key, value in (env or {}).items() for word in ("--env", f"{key}={value}")]
        entrypoint = ["--entrypoint", command[0]] if command else []
        options = ["--detach", "--rm", "--name", name, "--network", "host", "--volume", f"{mount}:{mount}"]
        user = ["--user", f"{os.getuid()}:{os.getgid()}"]
        arguments = (command or [])[1:]
        self.engine.docker("run", *options, *user, *settings, *entrypoint, image, *arguments, timeout=_PULL_SECONDS)
        pid = self.engine.docker("inspect", "--format", "{{.State.Pid}}", name).strip()
        record.write_text(Path(f"/proc/{pid}/stat").read_text())


def usable() -> Images | None:
    """Return the launcher where the machine's Docker engine has, or can pull, the broker's image.

    The harness's own engine is none: it runs where no registry answers, and stops with the cluster.
    """
    engine = engines.running()
    if engine is None or engine.ours:
        return None
    if not engine.has_image(_kafka_image()):
        if not image_registry.answers():
            return None
        announce(f"pulling {_kafka_image()}")
        try:
            engine.docker("pull", "--quiet", _kafka_image(), timeout=_PULL_SECONDS)
        except CommandError as refused:
            announce(f"it cannot be pulled: {refused}")
            return None
    return Images(engine)


def _kafka_image() -> str:
    return f"apache/kafka:{kafka_version()}"


def _registry_image() -> str:
    return f"apicurio/apicurio-registry:{REGISTRY_VERSION}"
