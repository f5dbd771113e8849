"""The consumer as a process, on a real broker, before services that fail: what was sent is delivered or set aside."""

from __future__ import annotations

import base64
import random
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.http_service import Answer, HttpService, Request, mount, server_context
from integration.service_process import wait_until
from standardwebhooks import Webhook

from e2e.servers.certificates import Authority
from eventplane.events.dead_letter_view import dead_letter_of
from eventplane.events.dead_letters import history_of

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)
SECRETS = [f"whsec_{base64.b64encode(each * 24).decode()}" for each in (b"a", b"b")]
QUICK: dict[str, Any] = {
    "attempts": 3,
    "delaysMs": [20, 40],
    "giveUpOn": ["Undecodable", "ExpressionFailed", "Rejected"],
}


@pytest.fixture
def name() -> str:
    """Of a topic that no other test uses; its dead letters end in .dlq."""
    return f"run-{next(_NUMBERS)}"


def config(name: str, **others: Any) -> dict[str, Any]:
    """A Subscription that reads one topic from its beginning."""
    return config_of(name, **{"retry": {**QUICK, "deadLetterTopic": f"{name}.dlq"}, **others})


def ids(messages: list[Any]) -> list[str]:
    return sorted((header(each, "ce_id") or "" for each in messages), key=int)


def everything(number: int) -> list[str]:
    return [str(each) for each in range(number)]


def test_half_of_all_requests_fail_and_the_counts_add_up(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """Services hang, cut, and answer 429, 500, 400: every event is delivered or a dead letter, and in order per key."""
    topics.create(name, f"{name}.dlq", partitions=3)
    chance = random.Random(1)  # noqa: S311 - no secret
    faults = [Answer(500), Answer(429, {"Retry-After": "0"}), Answer(cut=True), Answer(500, hang_seconds=1.5)]

    def answer(request: Request, _attempt: int) -> Answer:
        if int(request.id) % 50 == 7:
            return Answer(400)
        return chance.choice(faults) if chance.random() < 0.5 else Answer()

    with HttpService(answer) as service:
        told = config(name, http={"url": service.url, "timeout": "500ms"}, delivery={"concurrency": 32})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(600), keys=40)
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 600, "all is finished")
            dead = topics.read(f"{name}.dlq")
            delivered = [request.id for request in service.taken]
            assert sorted({*delivered, *ids(dead)}, key=int) == everything(600)
            late = process.metric('eventplane_runtime_failed_attempts_total{reason="TimedOut"')
            assert len(delivered) - len(set(delivered)) <= late, "again only what was not answered in time"
            assert {each for each in delivered if int(each) % 50 == 7} == set()
            assert process.metric("eventplane_runtime_received_total") == 600
            assert process.metric("eventplane_runtime_dead_lettered_total") == len(dead)
            assert process.metric("eventplane_runtime_delivered_total") == 600 - len(dead)
            assert process.metric("eventplane_runtime_retried_total") > 100
            assert process.terminate() == 0
    by_key: dict[int, list[int]] = {}
    for each in dict.fromkeys(delivered):
        by_key.setdefault(int(each) % 40, []).append(int(each))
    assert all(numbers == sorted(numbers) for numbers in by_key.values()), "order of a key is not kept"
    reasons = {header(each, "eventplane-reason") for each in dead}
    assert "Rejected" in reasons
    assert reasons <= {"Rejected", "Unavailable", "TimedOut"}
    assert {header(each, "eventplane-attempts") for each in dead} >= {"1", "3"}


def test_of_batches_that_are_refused_only_the_guilty_become_dead_letters(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """A service that refuses one event of ten with its whole batch, and is busy now and then."""
    topics.create(name, f"{name}.dlq", partitions=2)
    chance = random.Random(1)  # noqa: S311 - no secret

    def answer(request: Request, _attempt: int) -> Answer:
        if any(int(each["id"]) % 10 == 7 for each in request.batch):
            return Answer(400)
        return Answer(503, {"Retry-After": "0"}) if chance.random() < 0.1 else Answer()

    http = {"contentMode": "Batched", "batch": {"maxEvents": 20, "linger": "50ms"}}
    with HttpService(answer) as service:
        told = config(name, http={"url": service.url, **http}, delivery={"concurrency": 4})
        told["retry"] = {**told["retry"], "attempts": 10, "delaysMs": [20] * 9}
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(400), keys=100)
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 400, "all is finished")
            dead = topics.read(f"{name}.dlq")
            assert process.terminate() == 0
    delivered = [int(each["id"]) for request in service.taken for each in request.batch]
    assert ids(dead) == [str(number) for number in range(7, 400, 10)]
    assert {header(each, "eventplane-reason") for each in dead} == {"Rejected"}
    assert sorted(delivered) == [number for number in range(400) if number % 10 != 7], "each once"
    for key in range(100):
        numbers = [number for number in delivered if number % 100 == key]
        assert numbers == sorted(numbers), "order of a key is kept"
    assert max(len(request.batch) for request in service.taken) > 1


def test_poison_becomes_dead_letters_as_it_came(event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path) -> None:
    topics.create(name, f"{name}.dlq")
    poison = b"\xff\xfe\x00 no event"
    broken = b'{"event_id": "1", "event_type": 7}'
    with HttpService() as service:
        told = config(name, http={"url": service.url}, filter="event.data.number >= 0")
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write(name, [("a", poison, {"mine": "kept"}), cloud_event(1, "a"), (None, broken, {})])
            topics.write(name, [("b", b'{"other": 1}', {}), cloud_event(2, "a")])
            started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 5, "all is finished")
            dead = topics.read(f"{name}.dlq")
    assert [request.id for request in service.taken] == ["1", "2"]
    assert [each.value() for each in dead] == [poison, broken, b'{"other": 1}']
    assert (dead[0].key(), header(dead[0], "mine")) == (b"a", "kept")
    histories = [history_of(each) for each in dead]  # type: ignore[arg-type]  # a Message is a Record
    assert [each.failure.reason for each in histories if each] == ["Undecodable", "Undecodable", "ExpressionFailed"]
    assert histories[2] is not None
    assert histories[2].failure.message == "filter: line 1, column 11: no such key: number"
    letter = dead_letter_of(dead[1])  # type: ignore[arg-type]
    assert letter is not None
    assert (letter.original_message, letter.topic, letter.partition, letter.offset) == (broken, name, 0, 2)


def test_killed_again_and_again_nothing_is_lost(event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path) -> None:
    topics.create(name, f"{name}.dlq", partitions=3)
    total = 2000
    with HttpService() as service:
        told = config(name, http={"url": service.url}, delivery={"concurrency": 16})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(total), keys=100)
            for _ in range(3):
                before = len(service.taken)
                process = started.start(EVENTPLANE_INSTANCE_ID="only")
                wait_until(lambda: len(service.taken) > before + 200, "work")  # noqa: B023 - used at once
                process.kill()
            last = started.start(EVENTPLANE_INSTANCE_ID="only")
            wait_until(lambda: topics.committed(f"group-{name}", name) == total, "all is finished")
            assert last.terminate() == 0
    assert sorted({request.id for request in service.taken}, key=int) == everything(total)
    assert topics.read(f"{name}.dlq") == []


def test_what_is_sent_twice_is_delivered_once_over_restarts(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """By a producer that sends it once more, to consumers that are killed: who comes after knows what came before."""
    topics.create(name, f"{name}.dlq", partitions=3)
    with HttpService() as service:
        told = config(name, http={"url": service.url}, delivery={"deduplicate": {"window": "1h"}})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            for before, numbers in ((0, range(500)), (500, range(700)), (1200, range(100, 800))):
                process = started.start(EVENTPLANE_INSTANCE_ID="only")
                topics.write_events(name, numbers, keys=20)
                total = before + len(numbers)
                wait_until(lambda: topics.committed(f"group-{name}", name) == total, "all is finished")  # noqa: B023
                if total == 1900:
                    assert process.metric("eventplane_runtime_deduplicated_total") == 600
                    assert process.metric("eventplane_runtime_received_total") == 700
                    assert process.metric("eventplane_runtime_deduplication_remembered") == 800
                process.kill()
    assert sorted((request.id for request in service.taken), key=int) == everything(800)


def test_sigterm_leaves_without_loss_and_without_doubles(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """What is under way is waited for, and committed: somebody else goes on exactly there."""
    topics.create(name, f"{name}.dlq", partitions=2)
    with HttpService(lambda _request, _attempt: Answer(hang_seconds=0.02)) as service:
        told = config(name, http={"url": service.url}, delivery={"concurrency": 8})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(600), keys=600)
            first = started.start()
            wait_until(lambda: len(service.taken) > 100, "work")
            assert first.terminate() == 0
            assert len(service.taken) < 600
            started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 600, "all is finished")
    assert sorted((request.id for request in service.taken), key=int) == everything(600)


def test_two_share_the_partitions_and_hand_them_over(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """A rebalance in the middle of slow work: what is under way is finished first, so nothing comes twice."""
    topics.create(name, f"{name}.dlq", partitions=4)
    hang_seconds = [0.2]  # so slow that the first cannot be done before the second comes
    with HttpService(lambda _request, _attempt: Answer(hang_seconds=hang_seconds[0])) as service:
        told = config(name, http={"url": service.url}, delivery={"concurrency": 8})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(3000), keys=3000)
            first = started.start()
            wait_until(lambda: len(service.taken) > 50, "work")
            second = started.start()
            wait_until(lambda: second.metric("eventplane_runtime_delivered_total") > 50, "the second works")
            hang_seconds[0] = 0.02
            assert first.terminate() == 0
            wait_until(lambda: topics.committed(f"group-{name}", name) == 3000, "all is finished")
    assert sorted((request.id for request in service.taken), key=int) == everything(3000)


def test_a_dead_letter_topic_that_is_not_there_stops_the_partition_and_loses_nothing(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name)
    with HttpService() as service:
        told = config(name, http={"url": service.url})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write(name, [cloud_event(0, "a"), ("a", b"poison", {}), cloud_event(1, "a"), cloud_event(2, "b")])
            process = started.start()
            wait_until(lambda: "stands still" in process.probe("/readyz")[1], "it says so")
            assert process.probe("/healthz")[0] == 200
            assert topics.committed(f"group-{name}", name) == 1
            topics.create(f"{name}.dlq")
            wait_until(lambda: topics.committed(f"group-{name}", name) == 4, "it goes on")
            assert process.probe("/readyz")[0] == 200
            assert process.terminate() == 0
    assert sorted({request.id for request in service.taken}) == ["0", "1", "2"]
    assert [each.value() for each in topics.read(f"{name}.dlq")] == [b"poison"]


def test_retry_topics_keep_their_delays_over_a_restart(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """An event that fails does not hold up those behind it, and its waits are no shorter for a restart."""
    first_tier, second_tier = f"{name}.retry-1", f"{name}.retry-2"
    tiers = [{"topic": first_tier, "delayMs": 500}, {"topic": second_tier, "delayMs": 3000}]
    topics.create(name, f"{name}.dlq", first_tier, second_tier)
    came: dict[str, list[float]] = {}

    def answer(request: Request, attempt: int) -> Answer:
        came.setdefault(request.id, []).append(time.monotonic())
        number = int(request.id)
        return Answer(500 if number < 2 and attempt < 3 + number else 204)

    with HttpService(answer) as service:
        told = config(name, http={"url": service.url})
        told["retry"] = {**told["retry"], "tiers": tiers, "delaysMs": [500, 3000]}
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(20), keys=1)
            first = started.start()
            wait_until(lambda: service.attempts["0"] == 2 and service.attempts["1"] == 2, "the second attempt")
            assert {request.id for request in service.taken} == set(everything(20)) - {"0", "1"}
            wait_until(lambda: len(topics.read(second_tier)) == 2, "the second wait")
            assert first.terminate() == 0
            started.start()
            wait_until(lambda: "0" in {request.id for request in service.taken}, "the third attempt")
            wait_until(lambda: len(topics.read(f"{name}.dlq")) == 1, "a dead letter")
    for first_try, second_try, third_try in (came["0"], came["1"]):
        assert second_try - first_try >= 0.5
        assert third_try - second_try >= 3.0
    dead = history_of(topics.read(f"{name}.dlq")[0])  # type: ignore[arg-type]
    assert dead is not None
    assert (dead.attempts, dead.origin.place, dead.origin.offset, dead.subscription) == (
        3,
        (name, 0),
        1,
        f"shop/{name}",
    )


def test_a_topic_takes_what_the_filter_lets_through(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name, f"{name}.dlq", f"{name}.out", partitions=3)
    told = config(
        name,
        topic={"topic": f"{name}.out"},
        filter="event.type == 'order.created' && event.data.number % 2 == 0",
        transform="{'twice': event.data.number * 2}",
    )
    with consumers(tmp_path / "c", event_kafka, told) as started:
        topics.write_events(name, range(5000), keys=20)
        topics.write_events(name, range(5000, 5010), type="order.deleted")
        process = started.start()
        wait_until(lambda: topics.committed(f"group-{name}", name) == 5010, "all is finished")
        assert process.metric("eventplane_runtime_filtered_total") == 2510
        assert process.terminate() == 0
    out = topics.read(f"{name}.out")
    assert ids(out) == [str(number) for number in range(0, 5000, 2)]
    assert min(each.value() or b"" for each in out) == b'{"twice":0}'
    for key in range(20):
        numbers = [int(header(each, "ce_id") or "") for each in out if each.key() == f"key-{key}".encode()]
        assert numbers == sorted(numbers)


def test_a_broker_that_restarts_is_waited_for(event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path) -> None:
    topics.create(name, f"{name}.dlq", f"{name}.out")
    with consumers(tmp_path / "c", event_kafka, config(name, topic={"topic": f"{name}.out"})) as started:
        topics.write_events(name, range(2000))
        process = started.start()
        wait_until(lambda: process.metric("eventplane_runtime_delivered_total") > 0, "work")
        event_kafka.kill(1)
        event_kafka.start_broker(1)
        topics.write_events(name, range(2000, 4000))
        wait_until(lambda: topics.committed(f"group-{name}", name) == 4000, "all is finished")
        assert process.terminate() == 0
    assert sorted({*ids(topics.read(f"{name}.out"))}, key=int) == everything(4000)


@pytest.mark.parametrize(
    ("others", "named"),
    [
        pytest.param({"delivery": {"guarantee": "ExactlyOnce"}}, "delivery.guarantee", id="a service in a transaction"),
        pytest.param({"filter": "event.type =="}, "line 1, column", id="an expression that is none"),
        pytest.param({"topic": {"topic": "x"}}, "exactly one", id="two sinks"),
    ],
)
def test_what_cannot_be_done_is_refused_at_the_start(
    event_kafka: Kafka, name: str, tmp_path: Path, others: dict[str, Any], named: str
) -> None:
    told = config(name, http={"url": "http://127.0.0.1:1/"}, **others)
    with consumers(tmp_path / "c", event_kafka, told) as started:
        process = started.start()
        assert process.ended() == 2
        assert named in process.log()


def test_a_service_that_knows_its_senders_and_secrets_that_are_exchanged_without_a_restart(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """Mutual TLS with a private authority, signatures and a token, all from mounted files that change while it runs."""
    topics.create(name, f"{name}.dlq")
    authority = Authority(tmp_path)
    authority.create()
    bindings = tmp_path / "c"
    for folder, peer in ((tmp_path / "server", "emails"), (bindings / "sink-certificate", "first")):
        mount(folder, certificate(authority, peer))
    mount(bindings / "sink-ca", {"ca.crt": authority.certificate.read_text()})
    mount(bindings / "sink-signature", {"secret": SECRETS[0]})
    mount(bindings / "sink", {"token": "one"})
    with HttpService(tls=server_context(tmp_path / "server", authority.certificate)) as service:
        http = {
            "url": service.url,
            "contentMode": "Structured",
            "bearerTokenSecretRef": {"name": "token"},
            "signature": {"secretRef": {"name": "signing"}},
            "tls": {"caSecretRef": {"name": "ca"}, "certificateSecretRef": {"name": "client"}},
        }
        with consumers(bindings, event_kafka, config(name, http=http)) as started:
            process = started.start()
            topics.write(name, [cloud_event(1, "a")])
            wait_until(lambda: len(service.taken) == 1, "it is delivered")
            mount(bindings / "sink-certificate", certificate(authority, "second"))
            mount(bindings / "sink-signature", {"secret": SECRETS[1], "previousSecret": SECRETS[0]})
            mount(bindings / "sink", {"token": "two"})
            time.sleep(10)  # for so long files are trusted
            topics.write(name, [cloud_event(2, "a")])
            wait_until(lambda: topics.committed(f"group-{name}", name) == 2, "all is finished")
            assert process.terminate() == 0
            log = process.log()
    first, second = service.taken
    assert (first.peer, second.peer) == ("first", "second")
    assert (first.headers["authorization"], second.headers["authorization"]) == ("Bearer one", "Bearer two")
    for request, secret, id_ in ((first, SECRETS[0], "1"), (second, SECRETS[0], "2"), (second, SECRETS[1], "2")):
        assert Webhook(secret).verify(request.body, request.headers)["id"] == id_
    assert not any(secret in log for secret in SECRETS), "no secret is in the log"
    assert log.count("mounted files were read again") == 3


def test_what_a_secret_lacks_is_left_for_the_status(event_kafka: Kafka, name: str, tmp_path: Path) -> None:
    """The kubelet shows the file as the container's last words."""
    last_words = tmp_path / "termination-log"
    last_words.touch()
    told = config(name, http={"url": "http://emails/", "signature": {"secretRef": {"name": "signing"}}})
    with consumers(tmp_path / "c", event_kafka, told) as started:
        process = started.start(EVENTPLANE_TERMINATION_LOG=str(last_words))
        assert process.ended() == 2
    words = "is absent or empty: the Secret of http.signature.secretRef needs the key secret"
    assert last_words.read_text() == f"{tmp_path}/c/sink-signature/secret {words}"


def test_in_a_pod_no_event_goes_to_the_loopback(event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path) -> None:
    topics.create(name, f"{name}.dlq")
    with HttpService() as service:
        told = config(name, http={"url": service.url})
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write(name, [cloud_event(1, "a")])
            process = started.start(KUBERNETES_SERVICE_HOST="10.96.0.1")
            wait_until(lambda: topics.committed(f"group-{name}", name) == 1, "it is a dead letter")
            (dead,) = topics.read(f"{name}.dlq")
            assert process.terminate() == 0
    assert header(dead, "eventplane-exception") == "127.0.0.1 is no address of a service: it is the pod itself"
    assert service.received == []


def certificate(authority: Authority, name: str) -> dict[str, str]:
    """Issue what is in a Secret of type kubernetes.io/tls."""
    pem, key = authority.issue(name, frozenset({"127.0.0.1"}))
    return {"tls.crt": pem, "tls.key": key}
