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
_TLS = "/tls"
_PROGRAM = f"""
import hashlib, http.server, json, os, ssl, threading
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
        seen = dict(headers=dict(self.headers), caller=self.connection.getpeercert()) if tls else dict()
        if tls and not seen["caller"]:
            status = 403
        told = dict(id=event, status=status, body=body.decode("utf-8", "replace"), **seen)
        with lock:
            log.write(json.dumps(told) + chr(10))
        self.answer(status)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("", {PORT}), Service)
tls = os.path.isdir("{_TLS}")
if tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="{_TLS}/ca.crt")
    context.load_cert_chain("{_TLS}/tls.crt", "{_TLS}/tls.key")
    context.verify_mode = ssl.CERT_OPTIONAL  # probes have none
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""

_ASK = """
import ssl, sys, urllib.request
anybody = ssl._create_unverified_context()
print(urllib.request.urlopen(sys.argv[1], timeout=2, context=anybody).status)
"""


@dataclass(frozen=True)
class HttpService:
    """A service that was applied to a namespace under a name."""

    place: Workspace
    name: str
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where events are posted to."""
        return f"{self.scheme}://{host_of(self.place, self.name)}:{PORT}/events"

    def requests(self) -> list[dict[str, Any]]:
        """Return each request so far: id of its event, status, body; with TLS headers and caller (certificate) too."""
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
        told = f"{self.scheme}://{self.name}:{PORT}/"
        try:
            return "200" in self.place.kubectl("exec", f"deployment/{self.name}", "--", "python3", "-c", _ASK, told)
        except CommandError:
            return False


def http_service(place: Workspace, name: str, *, failing_percent: int, tls: str | None = None) -> HttpService:
    """Apply a service that answers so many of a hundred requests with 503, by chance of event and attempt.

    Args:
        place: where to.
        name: of its Deployment and its Service.
        failing_percent: how many of a hundred.
        tls: a Secret with tls.crt and tls.key for `host_of`, and with ca.crt: whose certificates callers have to show.
    """
    place.apply(*_manifests(name, failing_percent, tls))
    return HttpService(place, name, "http" if tls is None else "https")


def host_of(place: Workspace, name: str) -> str:
    """Return the name that a service of a namespace has in the cluster."""
    return f"{name}.{place.namespace}.svc"


def client_deployment(name: str, secret: str) -> Resource:
    """Return a pod that does nothing, in which Kafka's clients find the credentials of a Secret."""
    topics = {"name": "KAFKA_TOPICS", "valueFrom": {"secretKeyRef": {"name": secret, "key": "topics"}}}
    container = {
        **_container("client", ["sleep", "infinity"]),
        "env": [{"name": "SERVICE_BINDING_ROOT", "value": "/bindings"}, topics],
        "volumeMounts": [{"name": "kafka", "mountPath": "/bindings/kafka", "readOnly": True}],
    }
    return _deployment(name, container, [{"name": "kafka", "secret": {"secretName": secret}}])


def _manifests(name: str, percent: int, tls: str | None) -> Iterator[Resource]:
    scheme = "HTTP" if tls is None else "HTTPS"
    container = {
        **_container("service", ["python3", "-c", _PROGRAM]),
        "env": [{"name": "PERCENT", "value": str(percent)}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT, "scheme": scheme}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tls", "mountPath": _TLS, "readOnly": True}] if tls is not None else [],
    }
    yield _deployment(name, container, [{"name": "tls", "secret": {"secretName": tls}}] if tls is not None else [])
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
