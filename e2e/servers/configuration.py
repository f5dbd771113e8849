"""The configuration of a Kafka node, the same for every launcher."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from e2e.servers.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers.certificates import Authority

Listener = Literal["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL"]
LOOPBACK = "127.0.0.1"

_PORTS = {"SASL_PLAINTEXT": 0, "PLAINTEXT": 1, "CONTROLLER": 2, "SASL_SSL": 3, "SSL": 4}
_PER_NODE = 10


@dataclass(frozen=True)
class Credentials:
    """A user name and its password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class TokenIssuer:
    """Whose tokens brokers believe, by OAUTHBEARER on the SASL_SSL listener."""

    name: str
    """What a token has to have in `iss`."""
    audience: str
    keys: str
    """By which its tokens are verified: a JWK Set, JSON."""


@dataclass(frozen=True)
class Node:
    """One combined broker and controller of a cluster of `size`."""

    number: int
    size: int
    address: str
    base_port: int
    cluster_id: str
    directory: Path
    token_issuer: TokenIssuer | None = None

    @property
    def properties(self) -> Path:
        """Its configuration file; holds a password."""
        return self.directory / "server.properties"

    @property
    def data(self) -> Path:
        """Its log directory; exists once formatted."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.directory / "server.log"

    @property
    def record(self) -> Path:
        """The identity of its process."""
        return self.directory / "process"

    @property
    def keys(self) -> Path:
        """The keys of whose tokens it believes."""
        return self.directory / "jwks.json"

    @property
    def java_options(self) -> tuple[str, ...]:
        """What its process has to be told that no configuration file can hold."""
        if self.token_issuer is None:
            return ()
        return (f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.keys.as_uri()}",)

    def endpoint(self, listener: str, number: int | None = None) -> str:
        """Return host:port of a listener of this node, or of its peer `number`.

        The two listeners without authentication are bound to the loopback.
        """
        host = LOOPBACK if listener in {"PLAINTEXT", "CONTROLLER"} else self.address
        return f"{host}:{self.base_port + _PER_NODE * (number or self.number) + _PORTS[listener]}"


def new_cluster_id() -> str:
    """Return a new UUID in URL-safe base64, Kafka's form of a cluster id."""
    # A leading dash would make it an option to the storage tool.
    return "e" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def prepare(node: Node, admin: Credentials, authority: Authority) -> None:
    """Write what the node needs to be started: its directory, its configuration, its certificate."""
    node.directory.mkdir(parents=True, exist_ok=True)
    server_pem = node.directory / "server.pem"
    certificate, key = authority.issue(f"kafka-{node.number}", frozenset({node.address, LOOPBACK}))
    write_private(server_pem, key + certificate)
    properties = _server_properties(node, admin, authority.certificate, server_pem)
    if node.token_issuer is not None:
        node.keys.write_text(node.token_issuer.keys)
        properties += _token_properties(node.token_issuer, node.keys)
    write_private(node.properties, properties)


def _token_properties(issuer: TokenIssuer, keys: Path) -> str:
    """Let clients in on SASL_SSL by tokens, each for as long as its token holds, to the second."""
    listener = "listener.name.sasl_ssl.oauthbearer"
    oauth = "org.apache.kafka.common.security.oauthbearer"
    return f"""\
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER
{listener}.sasl.jaas.config={oauth}.OAuthBearerLoginModule required;
{listener}.sasl.server.callback.handler.class={oauth}.OAuthBearerValidatorCallbackHandler
{listener}.connections.max.reauth.ms=3600000
sasl.oauthbearer.jwks.endpoint.url={keys.as_uri()}
sasl.oauthbearer.expected.issuer={issuer.name}
sasl.oauthbearer.expected.audience={issuer.audience}
sasl.oauthbearer.clock.skew.seconds=0
"""


def _server_properties(node: Node, admin: Credentials, ca: Path, server_pem: Path) -> str:
    """Return `server.properties` of a node; `admin` is super user by SCRAM, PLAIN and its certificate's CN.

    Inter-broker traffic is anonymous and therefore super user too, on the loopback only.
    """
    client_listeners = ",".join(
        f"{name}://{node.endpoint(name)}" for name in ("SASL_PLAINTEXT", "PLAINTEXT", "SASL_SSL", "SSL")
    )
    voters = ",".join(f"{i}@{node.endpoint('CONTROLLER', i)}" for i in range(1, node.size + 1))
    replicas = node.size
    minimum = max(1, replicas - 1)
    plain = (
        f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{admin.username}="{admin.password}";'
    )
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return f"""\
process.roles=broker,controller
node.id={node.number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={client_listeners},CONTROLLER://{node.endpoint("CONTROLLER")}
advertised.listeners={client_listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,\
SASL_SSL:SASL_SSL,SSL:SSL
log.dirs={node.data}

sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_plaintext.plain.sasl.jaas.config={plain}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_ssl.plain.sasl.jaas.config={plain}
ssl.keystore.type=PEM
ssl.keystore.location={server_pem}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin.username};User:ANONYMOUS
allow.everyone.if.no.acl.found=false

auto.create.topics.enable=false
delete.topic.enable=true
num.partitions=1
default.replication.factor={replicas}
min.insync.replicas={minimum}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={minimum}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={minimum}
share.coordinator.state.topic.num.partitions=2
group.initial.rebalance.delay.ms=0

# A dead broker is noticed within 3 s, its partitions have new leaders soon after.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
