"""A consumer as its pod would run it: the real process, its configuration and its binding in a folder."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.service_process import ServiceProcess

from e2e.servers import ports
from eventplane.api.runtime_config import RuntimeConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.servers import Kafka


class ConsumerProcess(ServiceProcess):
    """One run of `python -m eventplane.runtime`."""

    def metric(self, name: str) -> float:
        """Sum a metric over its labels."""
        lines = self.probe("/metrics")[1].splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{", name if "{" in name else f"{name} "))
        )

    def terminate(self) -> int:
        """End as Kubernetes does, and return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()


class Consumers:
    """Starts consumers of one Subscription, and ends those that are left."""

    def __init__(self, folder: Path, kafka: Kafka, config: dict[str, Any]) -> None:
        self._folder = folder
        self.config = RuntimeConfig.model_validate(config)
        (folder / "kafka").mkdir(parents=True)
        client = kafka.client_config("SASL_PLAINTEXT")
        (folder / "kafka" / "librdkafka.json").write_text(json.dumps(client))
        (folder / "runtime.json").write_text(self.config.model_dump_json(by_alias=True))
        self._started: list[ConsumerProcess] = []

    def start(self, **environment: str) -> ConsumerProcess:
        """Start one."""
        told = {
            "EVENTPLANE_RUNTIME_CONFIG": str(self._folder / "runtime.json"),
            "SERVICE_BINDING_ROOT": str(self._folder),
            "EVENTPLANE_LEAVE_SECONDS": "5",
            "KUBERNETES_SERVICE_HOST": "",  # wherever the tests run, it is no pod
            **environment,
        }
        process = ConsumerProcess("eventplane.runtime", self._folder, ports.reserve("127.0.0.1"), told)
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()


def config_of(topic: str, /, **others: Any) -> dict[str, Any]:
    """Configure a Subscription that has its topic's name and reads it from the beginning, unless others say else."""
    return {
        "namespace": "shop",
        "name": topic,
        "group": f"group-{topic}",
        "topics": [topic],
        "startFrom": "Earliest",
        **others,
    }


@contextmanager
def consumers(folder: Path, kafka: Kafka, config: dict[str, Any]) -> Iterator[Consumers]:
    """Write a configuration; what is started with it ends with the context."""
    started = Consumers(folder, kafka, config)
    try:
        yield started
    finally:
        started.end()
