"""A consumer as its pod would run it: the real process, its configuration and its binding in a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.servers import ports
from eventplane.api.runtime_config import RuntimeConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from e2e.servers import Kafka

SECONDS = 40


def wait_until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for something that another process does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


class ConsumerProcess:
    """One run of `python -m eventplane.runtime`."""

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self.port = port
        self._log = (folder / f"log-{port}-{time.monotonic_ns()}.jsonl").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "eventplane.runtime"],
            env={**os.environ, **environment, "EVENTPLANE_PROBE_PORT": str(port)},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def get(self, path: str) -> tuple[int, str]:
        """Ask a probe; status 0 is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """Sum a metric over its labels."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{", name if "{" in name else f"{name} "))
        )

    def wait_ready(self) -> None:
        wait_until(lambda: self.get("/readyz")[0] == 200 or self._process.poll() is not None, "ready")
        assert self._process.poll() is None, self.log()

    def terminate(self) -> int:
        """End as Kubernetes does, and return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self, seconds: float = SECONDS) -> int:
        return self._process.wait(seconds)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._log.close()

    def log(self) -> str:
        return Path(self._log.name).read_text()


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
            **environment,
        }
        process = ConsumerProcess(self._folder, ports.reserve("127.0.0.1"), told)
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()


@contextmanager
def consumers(folder: Path, kafka: Kafka, config: dict[str, Any]) -> Iterator[Consumers]:
    """Write a configuration; what is started with it ends with the context."""
    started = Consumers(folder, kafka, config)
    try:
        yield started
    finally:
        started.end()
