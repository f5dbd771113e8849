"""How fast the gateway publishes, beside an ASGI app that does nothing on the same server, in the same run.

`python -m bench.gateway --n 5`: N seconds of load for each turn, by wrk. `ratio` is the gateway's requests per second
over the floor's. Exits with 1 where a request failed, never for slowness. Turns alternate, so that what else the
machine does befalls both. The load is made on the same machine, and Kafka is there too: that is the gateway's loss.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from bench.failure import BenchError
from bench.gateway_issuer import issuer
from bench.one_broker import run_with_a_broker
from bench.phases import say
from bench.runtime import Place
from e2e.servers import ports

_SCRIPT: Final = Path(__file__).with_suffix(".lua")
_START_SECONDS: Final = 30
_NOTE: Final = "x" * 100
_BATCH: Final = 100
_EVENT: Final = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created"}
_CASES: Final[Mapping[str, tuple[int, str, Any]]] = {
    "one": (1, "application/cloudevents+json", {**_EVENT, "data": {"amount": 5, "note": _NOTE}}),
    "batch": (
        _BATCH,
        "application/cloudevents-batch+json",
        [{**_EVENT, "data": {"amount": 5, "note": _NOTE}}] * _BATCH,
    ),
}


def load(url: str, token: str, kind: str, body: Path, seconds: int, connections: int) -> dict[str, float]:
    """Let wrk send for some seconds; raises BenchError."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT), url, "--", token, kind, str(body)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    line = next((each for each in ended.stdout.splitlines() if each.startswith("JSON ")), None)
    if line is None:
        raise BenchError(f"wrk failed: {ended.stderr[-500:]}{ended.stdout[-500:]}")
    measured: dict[str, float] = json.loads(line.removeprefix("JSON "))
    if measured["failed"] or not measured["requests"]:
        raise BenchError(f"{measured['failed']:.0f} of {measured['requests']:.0f} requests failed")
    return measured


@contextmanager
def process(module: str, port: int, *arguments: str, **environment: str) -> Iterator[psutil.Process]:
    """Run a server until the context ends."""
    started = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        _await_port(port, started)
        yield psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait()


def _await_port(port: int, started: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and started.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError("the server did not start")


def settings_of(folder: Path, place: Place, issuer_url: str) -> dict[str, str]:
    """Write the gateway's files and return its environment."""
    (folder / "kafka").mkdir()
    (folder / "kafka" / "librdkafka.json").write_text(json.dumps(place.client))
    limits = {"eventsPerSecond": 10_000_000, "requests": 10_000}
    config = {"audience": "bench", "oidc": [{"name": "bench", "issuer": issuer_url}], "limits": limits}
    (folder / "gateway.json").write_text(json.dumps(config))
    grants = {"grants": [{"identity": "bench:load", "publish": ["bench.*"]}]}
    (folder / "grants.json").write_text(json.dumps(grants))
    return {
        "EVENTPLANE_GATEWAY_CONFIG": str(folder / "gateway.json"),
        "EVENTPLANE_GATEWAY_GRANTS": str(folder / "grants.json"),
        "EVENTPLANE_GATEWAY_HOST": "127.0.0.1",
        "SERVICE_BINDING_ROOT": str(folder),
    }


def measure(place: Place, seconds: int, rounds: int, connections: int, measured: dict[str, Any]) -> None:
    """Measure all cases; of several rounds the one with the median ratio stands."""
    key = ECKey.generate_key("P-256", {"kid": "bench"})
    place.create("bench.events")
    floor_port, port, probes = (ports.reserve("127.0.0.1") for _ in range(3))
    with issuer(KeySet([key]).as_dict(private=False)) as issuer_url:
        claims = {"iss": issuer_url, "sub": "load", "aud": "bench", "exp": int(time.time()) + 3600}
        token = jwt.encode({"alg": "ES256", "kid": "bench"}, claims, key)
        told = settings_of(place.folder, place, issuer_url)
        told |= {"EVENTPLANE_GATEWAY_PORT": str(port), "EVENTPLANE_PROBE_PORT": str(probes)}
        path = "/v1/topics/bench.events/events"
        with (
            process("bench.gateway_floor", floor_port, str(floor_port)),
            process("eventplane.gateway", port, **told) as gateway,
        ):
            for case, (events, kind, document) in _CASES.items():
                say(f"{case}: {events} events a request, {rounds} times {seconds} s each")
                body = place.folder / f"{case}.json"
                body.write_text(json.dumps(document))
                runs = []
                for _ in range(rounds):
                    floor = load(f"http://127.0.0.1:{floor_port}{path}", token, kind, body, seconds, connections)
                    runs.append(
                        (floor, load(f"http://127.0.0.1:{port}{path}", token, kind, body, seconds, connections))
                    )
                measured[case] = _summary(runs, events)
            measured["rss_mib"] = round(gateway.memory_info().rss / 2**20)
    for name in ("seconds", "floor_seconds", "ratio"):
        measured[name] = measured["one"][name]


def _summary(runs: list[tuple[dict[str, float], dict[str, float]]], events: int) -> dict[str, Any]:
    """Say what 1,000 requests took of the round with the median ratio."""
    ratios = [_rate(ours) / _rate(floor) for floor, ours in runs]
    floor, ours = runs[ratios.index(statistics.median_low(ratios))]
    return {
        "seconds": 1000 / _rate(ours),
        "floor_seconds": 1000 / _rate(floor),
        "ratio": _rate(ours) / _rate(floor),
        "requests_per_second": round(_rate(ours)),
        "events_per_second": round(_rate(ours) * events),
        "p50_ms": ours["p50_ms"],
        "p99_ms": ours["p99_ms"],
        "floor_p50_ms": floor["p50_ms"],
        "floor_p99_ms": floor["p99_ms"],
        "ratios": ratios,
    }


def _rate(measured: Mapping[str, float]) -> float:
    return measured["requests"] / measured["seconds"]


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--n", type=int, default=5, help="seconds of load for each turn (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and gateway (default: 3)")
    parser.add_argument("--connections", type=int, default=128, help="at a time (default: 128)")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 1
    seconds = min(arguments.n, 60)  # `make bench` says 1000 where nobody says anything
    measured: dict[str, Any] = {"case": "gateway"}
    return run_with_a_broker(
        measured,
        lambda kafka, folder: measure(Place(kafka, folder), seconds, arguments.rounds, arguments.connections, measured),
    )


if __name__ == "__main__":
    sys.exit(main())
