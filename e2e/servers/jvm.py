"""The servers as JVM processes: the launcher that needs nothing but package registries."""

from __future__ import annotations

import shlex
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster.paths import run_dir
from e2e.servers import distribution, ports
from e2e.servers.certificates import Authority
from e2e.servers.configuration import LOOPBACK, Credentials, Node, new_cluster_id, prepare
from e2e.servers.polling import poll
from e2e.servers.processes import spawn

if TYPE_CHECKING:
    from e2e.servers.registry import RegistryPlace

_LOGGING = Path(__file__).with_name("log4j2.properties")
# Fast to start and small; the brokers of a test are not measured for throughput.
_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
# Taken only where it is needed: 30,000 partitions on three brokers need 500 MB in each, and as much again to breathe.
_KAFKA_HEAP = "-Xmx2g"


class Jvm:
    """Starts servers as processes of this machine's user."""

    def start_kafka(self, node: Node, *, outlive: bool) -> None:
        """Start a prepared node; it formats its data directory first where there is none."""
        archive = _kafka_archive()
        script = _kafka_script(node, f"-XX:SharedArchiveFile={archive}")
        spawn(["/bin/sh", "-ec", script], record=node.record, log=node.log, outlive=outlive)

    def start_registry(self, place: RegistryPlace, *, outlive: bool) -> None:
        """Start the registry."""
        jar = distribution.registry_directory() / "quarkus-run.jar"
        command = [*_java(place.directory, "-Xmx512m"), "-jar", str(jar)]
        spawn(command, record=place.record, log=place.log, env=place.settings(), outlive=outlive)


def _java(directory: Path, *options: str) -> list[str]:
    # What libraries unpack, and what the runtime writes when it crashes, must not be left in /tmp.
    kept_together = (f"-Djava.io.tmpdir={directory}", f"-XX:ErrorFile={directory}/crash.log")
    return [str(distribution.java()), *_FLAGS, *kept_together, *options]


def _kafka_script(node: Node, archive_option: str) -> str:
    java = _java(
        node.directory,
        _KAFKA_HEAP,
        archive_option,
        *node.java_options,
        f"-Dlog4j2.configurationFile={_LOGGING}",
        *("-cp", ":".join(str(jar) for jar in distribution.kafka_jars())),
    )
    storage_tool = [*java, "kafka.tools.StorageTool", "format", "-t", node.cluster_id, "-c", str(node.properties)]
    broker = [*java, "kafka.Kafka", str(node.properties)]
    formatted = shlex.quote(str(node.data / "meta.properties"))
    return f"[ -e {formatted} ] || {shlex.join(storage_tool)}\nexec {shlex.join(broker)}\n"


def _kafka_archive() -> Path:
    """Return the class archive that halves a broker's start, made by one rehearsal of a start."""
    jars = distribution.kafka_directory()
    archive = jars.with_name(f"{jars.name}-{distribution.java().parents[1].name}.jsa")
    if archive.exists():
        return archive
    with distribution.exclusive("kafka-archive"):
        if not archive.exists():
            distribution.announce("rehearsing a broker's start for its class archive, once")
            begun = time.monotonic()
            _rehearse(archive)
            distribution.announce(f"rehearsed in {time.monotonic() - begun:.1f} s")
    return archive


def _rehearse(archive: Path) -> None:
    partial = archive.with_suffix(".partial")
    with tempfile.TemporaryDirectory(dir=run_dir(), prefix="rehearsal-") as directory:
        place = Path(directory)
        node = Node(1, 1, LOOPBACK, ports.reserve(LOOPBACK), new_cluster_id(), place)
        authority = Authority(place)
        authority.create()
        prepare(node, Credentials("admin", "rehearsal"), authority)
        script = _kafka_script(node, f"-XX:ArchiveClassesAtExit={partial}")
        broker = spawn(["/bin/sh", "-ec", script], record=node.record, log=node.log, outlive=False)
        try:
            started = poll(lambda: "Kafka Server started" in node.log.read_text() or not broker.running, seconds=60)
            broker.send(signal.SIGTERM)
            if not (started and poll(lambda: not broker.running, seconds=60) and partial.exists()):
                raise RuntimeError(f"the rehearsal of a broker's start failed:\n{node.log.read_text()[-4000:]}")
        finally:
            broker.end()
    partial.rename(archive)
