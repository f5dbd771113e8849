"""How fast the consumer is, beside bare scripts that do the same in the same run.

`python -m bench.runtime --n 200000`. `ratio` is floor / consumer: 1.0 is as fast as the floor. Exits with 1 if events
are missing, never for slowness.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported

from bench.failure import BenchError
from bench.one_broker import add_up, run_with_a_broker
from bench.phases import say
from bench.processes import run_floor
from bench.runtime_work import FloorWork
from e2e.servers import Kafka, ports

_SECONDS: Final = 300
_PARTITIONS: Final = 4
_SHARE: Final = {"filter": 1.0, "filter_data": 0.5, "topic": 0.5, "exactly_once": 0.5, "http": 0.05}
"""Events of each case, as a part of n."""
_FILTERS: Final = {
    "filter": "event.type == 'order.cancelled'",
    "filter_data": "event.type == 'order.created' && event.data.amount > 1000",
    "topic": "event.type == 'order.created'",
    "exactly_once": "event.type == 'order.created'",
    "http": "event.type == 'order.created'",
}
_FLOORS: Final = {
    "filter": "filter",
    "filter_data": "filter",
    "topic": "topic",
    "exactly_once": "exactly_once",
    "http": "http",
}
_TO_TOPIC: Final = frozenset({"topic", "exactly_once"})
_CONCURRENCY: Final = 16


class Place:
    """A broker with a topic full of events, and a folder."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.client = kafka.client_config("PLAINTEXT")
        self.folder = folder
        self._admin = AdminClient({**self.client, "log_level": 0})
        self._runs = 0

    def create(self, name: str) -> None:
        self._admin.create_topics([NewTopic(name, _PARTITIONS)])[name].result(30)

    def fill(self, topic: str, count: int) -> None:
        """Write CloudEvents of about 400 bytes, binary."""
        self.create(topic)
        producer = Producer({**self.client, "linger.ms": 50, "queue.buffering.max.messages": 200_000})
        note = "x" * 100
        for number in range(count):
            headers = {
                "ce_specversion": "1.0",
                "ce_id": str(number),
                "ce_source": "/shop",
                "ce_type": "order.created",
                "ce_time": "2026-01-01T00:00:00Z",
                "content-type": "application/json",
            }
            value = json.dumps({"number": number, "amount": number % 500, "note": note})
            while True:
                try:
                    producer.produce(topic, value=value, key=f"key-{number % 1000}", headers=list(headers.items()))
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(_SECONDS):
            raise BenchError("the events could not be written")

    def new_name(self, prefix: str) -> str:
        self._runs += 1
        return f"{prefix}-{self._runs}"


@contextmanager
def service() -> Iterator[str]:
    """Serve what takes everything."""
    process = subprocess.Popen([sys.executable, "-m", "bench.runtime_service"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
    finally:
        process.kill()
        process.wait()


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of this bench
        text: str = answer.read().decode()
    return text


class Consumer:
    """The consumer under test, a process of its own."""

    def __init__(self, place: Place, config: dict[str, Any]) -> None:
        folder = place.folder / place.new_name("consumer")
        (folder / "kafka").mkdir(parents=True)
        (folder / "kafka" / "librdkafka.json").write_text(json.dumps(place.client))
        (folder / "runtime.json").write_text(json.dumps(config))
        self._port = ports.reserve("127.0.0.1")
        environment = {
            **os.environ,
            "EVENTPLANE_RUNTIME_CONFIG": str(folder / "runtime.json"),
            "SERVICE_BINDING_ROOT": str(folder),
            "EVENTPLANE_PROBE_PORT": str(self._port),
            "EVENTPLANE_LOG_LEVEL": "WARNING",
            "KUBERNETES_SERVICE_HOST": "",  # wherever the bench runs, it is no pod: a service is on the loopback
        }
        self._process = subprocess.Popen([sys.executable, "-m", "eventplane.runtime"], env=environment)

    def numbers(self) -> dict[str, float]:
        """Return the numbers, whatever their labels; empty while it starts."""
        if self._process.poll() is not None:
            raise BenchError(f"the consumer ended with {self._process.returncode}")
        try:
            text = _get(f"http://127.0.0.1:{self._port}/metrics")
        except OSError:
            return {}
        found: dict[str, float] = defaultdict(float)
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name.removeprefix("eventplane_runtime_").partition("{")[0]] += float(value)
        return found

    def measure(self, count: int) -> tuple[float, float]:
        """Wait until all is done; return the seconds that all of it would take at the speed seen, and RSS in MiB.

        The first look that sees work begun is where the measuring begins: what was done by then is not counted.
        """
        until, begun, done_then, rss = time.monotonic() + _SECONDS, 0.0, 0.0, 0.0
        while time.monotonic() < until:
            numbers = self.numbers()
            now = time.perf_counter()
            done = numbers.get("filtered_total", 0) + numbers.get("delivered_total", 0)
            if done and not begun:
                begun, done_then = now, done
            if done >= count:
                if done_then >= count:
                    raise BenchError("too few events: it was done before it could be looked at")
                rss = psutil.Process(self._process.pid).memory_info().rss / 2**20
                return (now - begun) * count / (count - done_then), rss
            time.sleep(0.1)
        raise BenchError("events are missing")

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


def measure_case(place: Place, case: str, topic: str, count: int, url: str) -> dict[str, float]:
    """Let the floor and the consumer do one case, one after the other."""
    out = place.new_name(f"out-{case.replace('_', '-')}")
    if case in _TO_TOPIC:
        place.create(out)
        place.create(f"{out}-floor")
    work = FloorWork(
        _FLOORS[case], place.client, topic, f"{out}-floor", place.new_name("floor"), count, url, _CONCURRENCY
    )
    floor = asyncio.run(run_floor(work, "bench.runtime_floor"))
    sink = {"topic": {"topic": out}} if case in _TO_TOPIC else {"http": {"url": url}}
    guarantee = "ExactlyOnce" if case == "exactly_once" else "AtLeastOnce"
    config = {
        "namespace": "bench",
        "name": case,
        "group": place.new_name("runtime"),
        "topics": [topic],
        "startFrom": "Earliest",
        "filter": _FILTERS[case],
        "transactionalIdPrefix": f"{out}.",
        "delivery": {"concurrency": _CONCURRENCY, "guarantee": guarantee},
        "retry": {"attempts": 1},
        **sink,
    }
    consumer = Consumer(place, config)
    try:
        seconds, rss_mib = consumer.measure(count)
    finally:
        consumer.end()
    return {
        "seconds": seconds,
        "floor_seconds": floor["seconds"],
        "ratio": floor["seconds"] / seconds,
        "events_per_second": round(count / seconds),
        "rss_mib": rss_mib,
    }


def measure(place: Place, n: int, rounds: int, cases: Sequence[str], measured: dict[str, Any]) -> None:
    """Measure cases; of several rounds the one with the median ratio stands."""
    with service() as url:
        for case in cases:
            share = _SHARE[case]
            count = max(2_000, int(n * share))
            topic = f"events-{case.replace('_', '-')}"
            say(f"{case}: {count:,} events")
            place.fill(topic, count)
            runs = [measure_case(place, case, topic, count, url) for _ in range(rounds)]
            middle = statistics.median_low([run["ratio"] for run in runs])
            measured[case] = {"n": count} | next(run for run in runs if run["ratio"] == middle)
            measured[case]["ratios"] = [run["ratio"] for run in runs]
    add_up(measured, cases)


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.runtime", description=__doc__)
    parser.add_argument("--n", type=int, default=200_000, help="events of the largest case (default: 200,000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and consumer (default: 3)")
    parser.add_argument("--only", choices=_SHARE, nargs="+", default=tuple(_SHARE), help="cases (default: all)")
    arguments = parser.parse_args()
    measured: dict[str, Any] = {"case": "runtime", "n": arguments.n}
    count = max(40_000, arguments.n)
    return run_with_a_broker(
        measured,
        lambda kafka, folder: measure(Place(kafka, folder), count, arguments.rounds, arguments.only, measured),
    )


if __name__ == "__main__":
    sys.exit(main())
