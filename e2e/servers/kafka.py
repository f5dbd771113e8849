"""A real Kafka cluster of one or three KRaft nodes."""

from __future__ import annotations

import secrets
import signal
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from e2e.servers import ports, run_directories
from e2e.servers.certificates import Authority
from e2e.servers.configuration import LOOPBACK, Credentials, Listener, Node, TokenIssuer, new_cluster_id, prepare
from e2e.servers.failure import ServerError, log_tail
from e2e.servers.launchers import choose_launcher
from e2e.servers.polling import poll
from e2e.servers.processes import ProcessId, recorded

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

BrokerCount = Literal[1, 3]
ClientConfig = dict[str, str | int | float | bool]
Mechanism = Literal["SCRAM-SHA-512", "PLAIN"]

_START_SECONDS = 60
_REQUEST_SECONDS = 10
_SCRAM_ITERATIONS = 4096  # the least that Kafka takes


@dataclass(frozen=True)
class Identity:
    """What a cluster is made from and reached by."""

    brokers: BrokerCount
    address: str
    base_port: int
    admin: Credentials
    cluster_id: str


def new_identity(brokers: BrokerCount, address: str, base_port: int) -> Identity:
    """Return the identity of a new cluster, with an admin password of its own."""
    return Identity(brokers, address, base_port, Credentials("admin", secrets.token_urlsafe(24)), new_cluster_id())


class Kafka:
    """A Kafka cluster; its brokers are numbered from 1.

    A broker holds one file descriptor and two memory maps for each partition replica: where a
    process may open 20,000 files, one broker dies at as many partitions and three hold 30,000.

    It ends with this interpreter, however that ends. Without `run_dir` it lies in the cache and
    `stop` deletes it; with one, its data stays. With an `identity`, which needs a `run_dir`, it
    outlives this interpreter and can be reached from another by the same two. With a `token_issuer`
    it believes tokens on the SASL_SSL listener, beside passwords.
    """

    def __init__(
        self,
        brokers: BrokerCount = 1,
        address: str = LOOPBACK,
        run_dir: Path | None = None,
        identity: Identity | None = None,
        token_issuer: TokenIssuer | None = None,
    ) -> None:
        self._outlive = identity is not None
        self._temporary = run_dir is None
        self.identity = identity or new_identity(brokers, address, ports.reserve(address))
        self.run_dir = run_dir or run_directories.create_private()
        self._authority = Authority(self.run_dir)
        self._token_issuer = token_issuer

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- what clients need -----------------------------------------------------------------------

    @property
    def admin(self) -> Credentials:
        """The super user, for SCRAM and PLAIN; a client certificate with its name as CN is super user too."""
        return self.identity.admin

    @property
    def ca_pem(self) -> str:
        """The certificate of the CA that signed the brokers' certificates."""
        return self._authority.certificate.read_text()

    def bootstrap(self, listener: Listener = "SASL_PLAINTEXT") -> str:
        """Return the addresses of all brokers on a listener; PLAINTEXT is bound to the loopback."""
        return ",".join(node.endpoint(listener) for node in self._nodes)

    def client_certificate(self, common_name: str) -> tuple[str, str]:
        """Return a new certificate and key (PEM) that make a client on the SSL listener `User:<common_name>`."""
        return self._authority.issue(common_name)

    def client_config(
        self,
        listener: Listener = "SASL_PLAINTEXT",
        user: Credentials | None = None,
        mechanism: Mechanism = "SCRAM-SHA-512",
    ) -> ClientConfig:
        """Return a confluent-kafka configuration for a listener, as `user`, or as the admin.

        On the SSL listener the user's name becomes the CN of a new certificate.
        """
        user = user or self.admin
        config: ClientConfig = {
            "bootstrap.servers": self.bootstrap(listener),
            "security.protocol": listener,
            # The defaults (10 s, 5 min) keep a client from a broker that is back for too long.
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 1000,
        }
        if listener in {"SASL_PLAINTEXT", "SASL_SSL"}:
            config |= {"sasl.mechanism": mechanism, "sasl.username": user.username, "sasl.password": user.password}
        if listener in {"SASL_SSL", "SSL"}:
            config |= {"ssl.ca.pem": self.ca_pem}
        if listener == "SSL":
            certificate, key = self.client_certificate(user.username)
            config |= {"ssl.certificate.pem": certificate, "ssl.key.pem": key}
        return config

    def add_user(self, name: str, password: str) -> Credentials:
        """Create a SCRAM user or change its password; return once all running brokers accept it.

        Raises ServerError where one does not.
        """
        user = Credentials(name, password)
        client = AdminClient(_quiet(self.client_config("PLAINTEXT")))
        information = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _SCRAM_ITERATIONS)
        change = UserScramCredentialUpsertion(name, information, password.encode())
        futures = client.alter_user_scram_credentials([change], request_timeout=_REQUEST_SECONDS)
        futures[name].result(_REQUEST_SECONDS)
        for node in self._nodes:
            if recorded(node.record) and not poll(partial(self._accepts, node, user), _REQUEST_SECONDS):
                raise ServerError(f"broker {node.number} does not accept the new user {name}", log_tail(node.log))
        return user

    # --- what servers do -------------------------------------------------------------------------

    def start(self) -> None:
        """Start what does not run of the cluster and wait until every broker answers and knows the others.

        Raises ServerError, with the end of the log, where one does not; nothing is left running then.
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._authority.create()
        try:
            for node in self._nodes:
                self._launch(node)
            for node in self._nodes:
                self._wait_until_it_knows(node, self._numbers)
            self.add_user(self.admin.username, self.admin.password)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the brokers that run, and delete a temporary directory."""
        for node in self._nodes:
            if process := recorded(node.record):
                process.end()
        if self._temporary:
            run_directories.remove(self.run_dir)

    def start_broker(self, number: int) -> None:
        """Start a broker again and wait until it answers; its replicas may still be catching up."""
        node = self._node(number)
        self._launch(node)
        self._wait_until_it_knows(node, {number})

    def kill(self, number: int) -> None:
        """Kill a broker by SIGKILL and return when it is gone."""
        self.process(number).end()

    def pause(self, number: int) -> None:
        """Stop a broker by SIGSTOP: its connections stay open and nothing answers."""
        self.process(number).pause()

    def resume(self, number: int) -> None:
        """Let a paused broker go on."""
        self.process(number).send(signal.SIGCONT)

    def process(self, number: int) -> ProcessId:
        """Return the running process of a broker; raise ServerError where there is none."""
        node = self._node(number)
        process = recorded(node.record)
        if process is None:
            raise ServerError(f"broker {number} does not run", log_tail(node.log))
        return process

    @property
    def runs(self) -> bool:
        """Whether any broker's process exists."""
        return any(recorded(node.record) for node in self._nodes)

    @property
    def answers(self) -> bool:
        """Whether every broker runs, answers and knows all others."""
        return all(self._knows(node, self._numbers) for node in self._nodes)

    # --- inside ----------------------------------------------------------------------------------

    @cached_property
    def _nodes(self) -> list[Node]:
        about = self.identity
        return [
            Node(
                n,
                about.brokers,
                about.address,
                about.base_port,
                about.cluster_id,
                self.run_dir / f"kafka-{n}",
                self._token_issuer,
            )
            for n in range(1, about.brokers + 1)
        ]

    @property
    def _numbers(self) -> set[int]:
        return {node.number for node in self._nodes}

    def _node(self, number: int) -> Node:
        if not 1 <= number <= len(self._nodes):
            raise ValueError(f"there is no broker {number}, only 1 to {len(self._nodes)}")
        return self._nodes[number - 1]

    def _launch(self, node: Node) -> None:
        if recorded(node.record) is None:
            prepare(node, self.admin, self._authority)
            choose_launcher().start_kafka(node, outlive=self._outlive)

    def _wait_until_it_knows(self, node: Node, brokers: set[int]) -> None:
        poll(lambda: self._knows(node, brokers) or recorded(node.record) is None, _START_SECONDS)
        if not self._knows(node, brokers):
            raise ServerError(f"Kafka broker {node.number} does not answer", log_tail(node.log))

    def _knows(self, node: Node, brokers: set[int]) -> bool:
        config = {**self.client_config("PLAINTEXT"), "bootstrap.servers": node.endpoint("PLAINTEXT")}
        return recorded(node.record) is not None and brokers <= self._members(config)

    def _accepts(self, node: Node, user: Credentials) -> bool:
        config = self.client_config("SASL_PLAINTEXT", user)
        return bool(self._members({**config, "bootstrap.servers": node.endpoint("SASL_PLAINTEXT")}))

    def _members(self, config: ClientConfig) -> set[int]:
        """Return the brokers that a client with `config` is told of, none where it gets no answer within a second.

        A foreign cluster on the same ports is no answer: its users must not be changed for ours.
        """
        try:
            metadata = AdminClient(_quiet(config)).list_topics(timeout=1)
        except KafkaException:
            return set()
        ours = metadata.cluster_id == self.identity.cluster_id
        return set(metadata.brokers) if ours else set()


def _quiet(config: ClientConfig) -> ClientConfig:
    return {**config, "log_level": 0, "reconnect.backoff.ms": 50}
