"""The gateway as its pod would run it: the real process, its configuration, grants and binding in a folder."""

from __future__ import annotations

import json
import signal
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.service_process import SECONDS, ServiceProcess
from integration.token_issuers import AUDIENCE, TokenIssuers

from e2e.servers import ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from e2e.servers import Kafka


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class GatewayProcess(ServiceProcess):
    """One run of `python -m eventplane.gateway`."""

    def __init__(self, folder: Path, issuers: TokenIssuers, environment: Mapping[str, str]) -> None:
        self.port = ports.reserve("127.0.0.1")
        self.folder = folder
        self.tls = ssl.create_default_context(cafile=str(issuers.authority.certificate))
        told = {
            "EVENTPLANE_GATEWAY_CONFIG": str(folder / "gateway.json"),
            "EVENTPLANE_GATEWAY_GRANTS": str(folder / "grants.json"),
            "EVENTPLANE_GATEWAY_HOST": "127.0.0.1",
            "EVENTPLANE_GATEWAY_PORT": str(self.port),
            "EVENTPLANE_LINGER_SECONDS": "1",
            "EVENTPLANE_DRAIN_SECONDS": "10",
            "SERVICE_BINDING_ROOT": str(folder),
            **environment,
        }
        super().__init__("eventplane.gateway", folder, ports.reserve("127.0.0.1"), told)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def grant(self, *grants: Mapping[str, Any]) -> None:
        """Write the grants as Kubernetes does: another file in the place of the first."""
        new = self.folder / "grants.new"
        new.write_text(json.dumps({"version": 1, "grants": list(grants)}))
        new.replace(self.folder / "grants.json")

    def connect(self) -> HTTPSConnection:
        return HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=self.tls)

    def ask(
        self, path: str, token: str | None = None, body: Any = None, *, method: str = "POST", **headers: str
    ) -> Told:
        """Send a request; headers are told with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        connection = self.connect()
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Told(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def publish(self, topic: str, token: str | None, body: Any, **headers: str) -> Told:
        return self.ask(f"/v1/topics/{topic}/events", token, body, **headers)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)


@contextmanager
def gateway(
    folder: Path,
    kafka: Kafka,
    issuers: TokenIssuers,
    *,
    registry_url: str | None = None,
    limits: Mapping[str, Any] | None = None,
    client: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Iterator[GatewayProcess]:
    """Run a gateway; it ends with the context."""
    (folder / "kafka").mkdir(parents=True)
    settings = {**kafka.client_config("SASL_PLAINTEXT"), **(client or {})}
    (folder / "kafka" / "librdkafka.json").write_text(json.dumps(settings))
    if registry_url is not None:
        (folder / "kafka" / "schemaRegistryUrl").write_text(registry_url)
    issuers.certificate(folder / "tls")
    ca = str(issuers.authority.certificate)
    told = {
        "audience": AUDIENCE,
        "tokenReviews": {"url": issuers.origin, "caFile": ca, "tokenFile": str(issuers.token_file)},
        "oidc": [{"name": "realm", "issuer": issuers.issuer, "caFile": ca}],
        "certificateDir": str(folder / "tls"),
        "limits": dict(limits or {}),
        **(config or {}),
    }
    (folder / "gateway.json").write_text(json.dumps(told))
    (folder / "grants.json").write_text('{"version": 1}')
    process = GatewayProcess(folder, issuers, environment or {})
    try:
        process.wait_ready()
        yield process
    finally:
        process.kill()
