"""A service in the cluster that takes events by HTTP, fails as often as it is told to, and remembers every request."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e.cluster.commands import CommandError
from e2e.cluster.operator_image import DEVELOPMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.workspace import Resource, Workspace

PORT = 8080
_LOG = "/tmp/requests"  # noqa: S108 - in a container of its own
_PROGRAM = f"""
import hashlib, http.server, json, os, threading
percent, lock, attempts = int(os.environ["PERCENT"]), threading.Lock(), dict()
log = open("{_LOG}", "a", buffering=1)

class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        event = self.headers.get("ce-id", "")
        with lock:
            attempt = attempts[event] = attempts.get(event, 0) + 1
        chance = hashlib.sha256(f"{{event}} {{attempt}}".encode()).digest()[0] * 100 // 256
        status = 503 if chance < percent else 204
        with lock:
            log.write(json.dumps(dict(id=event, status=status, body=body.decode("utf-8", "replace"))) + chr(10))
        self.answer(status)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", {PORT}), Service).serve_forever()
"""


@dataclass(frozen=True)
class HttpService:
    """A service that was applied to a namespace under a name."""

    place: Workspace
    name: str

    @property
    def url(self) -> str:
        """Where events are posted to."""
        return f"http://{self.name}.{self.place.namespace}.svc:{PORT}/events"

    def requests(self) -> list[dict[str, Any]]:
        """Return each request so far: the id of its event, its body, and how it was answered."""
        words = ("exec", f"deployment/{self.name}", "--", "python3", "-c", f"print(open('{_LOG}').read())")
        return [json.loads(line) for line in self.place.kubectl(*words).splitlines() if line.strip()]

    def delivered(self) -> Counter[str]:
        """Count by id how often an event was taken."""
        return Counter(each["id"] for each in self.requests() if each["status"] < 300)

    def until_at_work(self, seconds: float = 60) -> None:
        """Return once it answers."""
        self.place.kubectl(
            "wait", f"deployment/{self.name}", "--for=condition=Available", f"--timeout={int(seconds)}s", timeout=90
        )
        # an endpoint is no route yet: until the node knows it, somebody else may answer for the Service's address
        deadline = time.monotonic() + seconds
        while not self._is_reached():
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def _is_reached(self) -> bool:
        ask = f"import urllib.request as r; print(r.urlopen('http://{self.name}:{PORT}/', timeout=2).status)"
        try:
            return "200" in self.place.kubectl("exec", f"deployment/{self.name}", "--", "python3", "-c", ask)
        except CommandError:
            return False


def http_service(place: Workspace, name: str, *, failing_percent: int) -> HttpService:
    """Apply a service that answers so many of a hundred requests with 503, by chance of event and attempt."""
    place.apply(*_manifests(name, failing_percent))
    return HttpService(place, name)


def client_deployment(name: str, secret: str) -> Resource:
    """Return a pod that does nothing, in which Kafka's clients find the credentials of a Secret."""
    topics = {"name": "KAFKA_TOPICS", "valueFrom": {"secretKeyRef": {"name": secret, "key": "topics"}}}
    container = {
        **_container("client", ["sleep", "infinity"]),
        "env": [{"name": "SERVICE_BINDING_ROOT", "value": "/bindings"}, topics],
        "volumeMounts": [{"name": "kafka", "mountPath": "/bindings/kafka", "readOnly": True}],
    }
    return _deployment(name, container, [{"name": "kafka", "secret": {"secretName": secret}}])


def _manifests(name: str, percent: int) -> Iterator[Resource]:
    container = {
        **_container("service", ["python3", "-c", _PROGRAM]),
        "env": [{"name": "PERCENT", "value": str(percent)}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
    }
    yield _deployment(name, container, [])
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": PORT}]},
    }


def _container(name: str, command: list[str]) -> Resource:
    """Return a container of the operator's image, which has Python and Kafka's client, as restricted pods must be."""
    return {
        "name": name,
        "image": DEVELOPMENT,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _deployment(name: str, container: Resource, volumes: list[Resource]) -> Resource:
    labels = {"app": name}
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
