"""The messaging servers are what the other suites take them for: secured, killable, and gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from e2e.cluster.paths import run_dir
from e2e.servers import Credentials, Kafka, ServerError, load, ports, start, stop
from e2e.servers.__main__ import main
from e2e.servers.certificates import Authority
from e2e.servers.kafka import new_identity
from e2e.servers.processes import ProcessId, process_id, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.servers.configuration import Listener
    from e2e.servers.kafka import ClientConfig, Mechanism

pytestmark = [pytest.mark.kafka3]

LOOPBACK = "127.0.0.1"
TIMEOUT = 10.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kafka]:
    with Kafka(brokers=3) as started:
        yield started


@pytest.fixture(scope="module")
def admin(cluster: Kafka) -> AdminClient:
    return client(cluster.client_config())


@pytest.fixture(scope="module")
def user(cluster: Kafka) -> Credentials:
    return cluster.add_user("nobody", "nobody-password")


def client(config: ClientConfig) -> AdminClient:
    return AdminClient({**config, "log_level": 0})


def create_topic(admin: AdminClient, name: str, partitions: int = 1) -> None:
    admin.create_topics([NewTopic(name, partitions)], request_timeout=TIMEOUT)[name].result(TIMEOUT)


def error_of(call: Callable[[], object]) -> str | None:
    with pytest.raises(KafkaException) as raised:
        call()
    name = raised.value.args[0].name()
    assert isinstance(name, str)
    return name


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Return how many seconds it took until the condition was true; fail after `seconds`."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun


LOGINS: list[tuple[Listener, Mechanism]] = [
    ("PLAINTEXT", "PLAIN"),  # the mechanism is of no account without SASL
    ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
    ("SASL_PLAINTEXT", "PLAIN"),
    ("SASL_SSL", "SCRAM-SHA-512"),
    ("SASL_SSL", "PLAIN"),
    ("SSL", "PLAIN"),
]


@pytest.mark.parametrize(("listener", "mechanism"), LOGINS)
def test_admin_may_do_everything_on_every_listener(cluster: Kafka, listener: Listener, mechanism: Mechanism) -> None:
    admin = client(cluster.client_config(listener, mechanism=mechanism))
    create_topic(admin, f"by-{listener}-{mechanism}")
    seen = {f"{broker.host}:{broker.port}" for broker in admin.list_topics(timeout=TIMEOUT).brokers.values()}
    assert seen == set(cluster.bootstrap(listener).split(","))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_wrong_password_is_refused(cluster: Kafka, listener: Listener, mechanism: Mechanism) -> None:
    wrong = Credentials(cluster.admin.username, "wrong")
    assert "_AUTHENTICATION" in errors_of_connecting(cluster.client_config(listener, wrong, mechanism))


def test_a_client_without_a_certificate_is_refused(cluster: Kafka) -> None:
    config = cluster.client_config("SSL")
    assert client(config).list_topics(timeout=TIMEOUT).brokers
    del config["ssl.certificate.pem"], config["ssl.key.pem"]
    # TLS 1.3 tells the client only after its handshake, so it may see no more than a closed connection.
    assert errors_of_connecting(config) & {"_SSL", "_TRANSPORT"}


def test_brokers_prove_themselves_by_the_ca(cluster: Kafka, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    other.create()
    config = cluster.client_config("SASL_SSL") | {"ssl.ca.pem": other.certificate.read_text()}
    assert "_SSL" in errors_of_connecting(config)


def errors_of_connecting(config: ClientConfig) -> set[str]:
    """Return the names of the errors that a client reports which cannot connect."""
    errors: set[str] = set()

    def note(error: KafkaError) -> None:
        errors.add(error.name())

    settings: dict[str, Any] = {**config, "log_level": 0, "error_cb": note}
    refused = AdminClient(settings)
    with pytest.raises(KafkaException):
        refused.list_topics(timeout=1)
    until(lambda: bool(refused.poll(0) or errors), TIMEOUT)
    return errors


def test_a_user_without_acl_may_nothing(cluster: Kafka, user: Credentials, admin: AdminClient) -> None:
    create_topic(admin, "secret")
    for listener in ("SASL_PLAINTEXT", "SASL_SSL", "SSL"):
        nobody = client(cluster.client_config(listener, user))
        assert nobody.list_topics(timeout=TIMEOUT).topics == {}
        assert error_of(partial(create_topic, nobody, "mine")) == "TOPIC_AUTHORIZATION_FAILED"
        assert error_of(partial(delete_topic, nobody, "secret")) == "TOPIC_AUTHORIZATION_FAILED"


def delete_topic(admin: AdminClient, name: str) -> None:
    admin.delete_topics([name], request_timeout=TIMEOUT)[name].result(TIMEOUT)


def test_a_certificate_makes_its_cn_the_principal(cluster: Kafka, admin: AdminClient) -> None:
    create_topic(admin, "granted")
    grant = AclBinding(
        ResourceType.TOPIC,
        "granted",
        ResourcePatternType.LITERAL,
        "User:alice",
        "*",
        AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )
    admin.create_acls([grant], request_timeout=TIMEOUT)[grant].result(TIMEOUT)
    alice = client(cluster.client_config("SSL", Credentials("alice", "")))
    until(lambda: set(alice.list_topics(timeout=TIMEOUT).topics) == {"granted"}, TIMEOUT)


def test_a_changed_password_replaces_the_old_one(cluster: Kafka) -> None:
    old = cluster.add_user("changing", "old")
    new = cluster.add_user("changing", "new")
    assert client(cluster.client_config("SASL_SSL", new)).list_topics(timeout=TIMEOUT).brokers
    assert "_AUTHENTICATION" in errors_of_connecting(cluster.client_config("SASL_PLAINTEXT", old))


def test_topics_are_not_created_by_asking(admin: AdminClient) -> None:
    for _ in range(2):
        assert admin.list_topics("never-created", timeout=TIMEOUT).topics["never-created"].error is not None


def test_the_password_is_in_no_argument_and_no_log(cluster: Kafka) -> None:
    secret = cluster.admin.password
    for number in (1, 2, 3):
        assert secret not in Path(f"/proc/{cluster.process(number).pid}/cmdline").read_text()
        assert secret not in (cluster.run_dir / f"kafka-{number}" / "server.log").read_text()
    for file in cluster.run_dir.rglob("*"):
        readable_by_others = file.is_file() and file.stat().st_mode & 0o044
        assert not (readable_by_others and secret.encode() in file.read_bytes()), file
    assert secret not in repr(cluster.identity)


def test_a_killed_broker_is_replaced_and_comes_back(cluster: Kafka, admin: AdminClient) -> None:
    create_topic(admin, "replicated", partitions=3)
    until(lambda: replicas_in_sync(admin) == {1, 2, 3}, 30)
    cluster.kill(2)
    try:
        assert recorded(cluster.run_dir / "kafka-2" / "process") is None
        until(lambda: replicas_in_sync(admin) == {1, 3} and -1 not in leaders(admin), 30)
    finally:
        cluster.start_broker(2)
    until(lambda: replicas_in_sync(admin) == {1, 2, 3}, 30)


def leaders(admin: AdminClient) -> set[int]:
    partitions = admin.list_topics("replicated", timeout=TIMEOUT).topics["replicated"].partitions
    return {partition.leader for partition in partitions.values()}


def replicas_in_sync(admin: AdminClient) -> set[int]:
    """Return the brokers that are in sync for every partition; none where the one that was asked shows no topic yet."""
    partitions = admin.list_topics("replicated", timeout=TIMEOUT).topics["replicated"].partitions
    in_sync = [set(partition.isrs) for partition in partitions.values()]
    return in_sync[0].intersection(*in_sync) if in_sync else set()


def test_a_paused_broker_is_silent_until_resumed(cluster: Kafka) -> None:
    third = client({**cluster.client_config(), "bootstrap.servers": cluster.bootstrap().split(",")[2]})
    cluster.pause(3)
    assert error_of(lambda: third.list_topics(timeout=0.5)) == "_TRANSPORT"
    cluster.resume(3)
    until(lambda: cluster.answers, 30)


def test_private_clusters_run_side_by_side_and_leave_nothing(cluster: Kafka) -> None:
    with Kafka() as other:
        assert other.bootstrap() != cluster.bootstrap()
        process = other.process(1)
        assert process.running
    assert not process.running
    assert not other.run_dir.exists()
    with pytest.raises(ServerError, match="does not run"):
        other.process(1)


def test_a_cluster_dies_with_its_killed_owner() -> None:
    program = """if True:
        import os, signal
        from e2e.servers import Kafka
        kafka = Kafka()
        kafka.start()
        print(kafka.run_dir, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    owner = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    remains = Path(owner.stdout.strip())
    until(lambda: recorded(remains / "kafka-1" / "process") is None, TIMEOUT)
    Kafka().stop()
    assert not remains.exists()


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "kafka"
    (directory / "kafka-1" / "data").mkdir(parents=True)
    (directory / "kafka-1" / "data" / "meta.properties").write_text("version=1\nnode.id=1\n")
    broken = Kafka(run_dir=directory)
    with pytest.raises(ServerError, match=r"(?s)end of .*server\.log.*cluster\.id"):
        broken.start()
    assert not broken.runs


def test_a_foreign_cluster_on_the_same_ports_is_neither_taken_for_ours_nor_changed(
    cluster: Kafka, tmp_path: Path
) -> None:
    intruder = Kafka(run_dir=tmp_path / "intruder", identity=new_identity(1, LOOPBACK, cluster.identity.base_port))
    with pytest.raises(ServerError, match="Address already in use"):
        intruder.start()
    assert not intruder.runs
    for listener in ("SASL_PLAINTEXT", "SASL_SSL"):
        assert client(cluster.client_config(listener)).list_topics(timeout=TIMEOUT).brokers


def test_only_the_recorded_process_is_killed(tmp_path: Path) -> None:
    me = process_id(os.getpid())
    assert me is not None
    stale = tmp_path / "process"
    stale.write_text(Path("/proc/self/stat").read_text().replace(str(me.started), str(me.started - 1)))
    assert recorded(stale) is None
    ProcessId(me.pid, me.started - 1).end()


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory = run_dir() / f"shared-{os.getpid()}"
    monkeypatch.setenv("EVENTPLANE_SERVERS_PORT", str(ports.reserve(LOOPBACK)))
    yield directory
    stop(directory)


def test_shared_servers_are_reused_recovered_and_stopped(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = start(LOOPBACK, shared)
    create_topic(client(first.kafka.client_config()), "kept")
    before = first.kafka.process(1)
    assert first.credentials.stat().st_mode & 0o777 == 0o600
    assert first.registry is not None
    with urllib.request.urlopen(f"{first.registry.url}/config", timeout=TIMEOUT) as response:  # noqa: S310 - ours
        assert json.load(response) == {"compatibilityLevel": "BACKWARD"}

    assert start(LOOPBACK, shared, registry=False).kafka.process(1) == before
    assert load(shared).registry == first.registry

    before.end()
    assert main(["status", "--run-dir", str(shared)]) == 1
    assert main(["up", "--run-dir", str(shared)]) == 0
    second = load(shared)
    assert second.kafka.process(1) != before
    assert "kept" in client(load(shared).kafka.client_config("SASL_SSL")).list_topics(timeout=TIMEOUT).topics

    assert main(["status", "--run-dir", str(shared)]) == 0
    printed = capsys.readouterr().out
    assert str(first.credentials) in printed
    assert first.kafka.admin.password not in printed

    processes = [second.kafka.process(1), recorded(shared / "registry" / "process")]
    assert main(["down", "--run-dir", str(shared)]) == 0
    assert not any(process is None or process.running for process in processes)
    assert not shared.exists()
    stop(shared)
    with pytest.raises(ServerError, match="no servers"):
        load(shared)


def test_servers_that_hang_or_changed_are_replaced(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e.servers.shared._HANG_SECONDS", 1)
    first = start(LOOPBACK, shared, registry=False)
    hanging = first.kafka.process(1)
    first.kafka.pause(1)
    assert start(LOOPBACK, shared, registry=False).kafka.admin == first.kafka.admin
    assert not hanging.running

    elsewhere = start(LOOPBACK, shared, registry=False, base_port=ports.reserve(LOOPBACK))
    assert elsewhere.kafka.admin != first.kafka.admin
    assert elsewhere.kafka.answers
