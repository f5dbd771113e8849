"""Whom the gateway believes and what they may do: tokens reviewed over TLS, JWTs of an issuer, grants that change."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from integration.event_topics import Topics, header
from integration.gateway_process import GatewayProcess, gateway
from integration.service_process import wait_until
from integration.token_issuers import AUDIENCE, TokenIssuers
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

EVENT = {"event_type": "order.created", "event_version": "1.0", "source": "shop", "data": {}}
BATCH = "application/cloudevents-batch+json"


@pytest.fixture(scope="module")
def topics(event_kafka: Kafka) -> Topics:
    made = Topics(event_kafka)
    made.create("calls", "calls.people", "calls.more")
    return made


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, event_kafka: Kafka, issuers: TokenIssuers, topics: Topics
) -> Iterator[GatewayProcess]:
    del topics
    folder = tmp_path_factory.mktemp("gateway") / "run"
    with gateway(folder, event_kafka, issuers) as process:
        process.grant(
            {"identity": "system:serviceaccount:a:app", "publish": ["calls"]},
            {"identity": "realm:ada", "publish": ["calls.*"]},
            {"identity": "realm:slow", "publish": ["calls"], "eventsPerSecond": 5},
            {"identity": "realm:reader", "subscribe": ["calls"]},
        )
        app = issuers.service_account("a:app")
        wait_until(lambda: process.publish("calls", app, EVENT).status == 200, "the grants are read")
        yield process


def test_a_service_account_is_who_the_api_server_says(running: GatewayProcess, issuers: TokenIssuers) -> None:
    token = issuers.service_account("a:app")
    before = len(issuers.reviews)
    assert [running.publish("calls", token, EVENT).status for _ in range(5)] == [200] * 5
    assert len(issuers.reviews) == before + 1  # and then it is believed for a while
    assert issuers.reviews[-1]["spec"] == {"token": token, "audiences": [AUDIENCE]}
    assert issuers.reviews[-1]["kind"] == "TokenReview"


def test_who_has_no_grant_may_do_nothing(running: GatewayProcess, issuers: TokenIssuers) -> None:
    told = running.publish("calls", issuers.service_account("a:other"), EVENT)
    assert told.status == 403
    assert running.publish("calls.people", issuers.service_account("a:app"), EVENT).status == 403
    assert running.publish("calls", issuers.person("reader"), EVENT).status == 403


def test_an_issuers_subject_is_believed_under_the_issuers_name(
    running: GatewayProcess, issuers: TokenIssuers, topics: Topics
) -> None:
    assert running.publish("calls.people", issuers.person("ada"), EVENT).status == 200
    (message,) = topics.read("calls.people")
    assert header(message, "eventplane-caller") == "realm:ada"


def test_a_subject_cannot_call_itself_a_service_account(running: GatewayProcess, issuers: TokenIssuers) -> None:
    told = running.publish("calls", issuers.person("system:serviceaccount:a:app"), EVENT)
    assert told.status == 403


def test_keys_of_an_issuer_may_change(running: GatewayProcess, issuers: TokenIssuers) -> None:
    assert running.publish("calls.more", issuers.person("ada"), EVENT).status == 200
    issuers.rotate()
    wait_until(lambda: running.publish("calls.more", issuers.person("ada"), EVENT).status == 200, "the new key", 20)
    fetched = issuers.fetched_keys
    stranger = jwt.encode(
        {"alg": "ES256", "kid": "unheard-of"},
        {"iss": issuers.issuer, "sub": "ada", "aud": AUDIENCE, "exp": 4_000_000_000},
        ECKey.generate_key("P-256"),
    )
    assert running.publish("calls.more", stranger, EVENT).status == 401
    assert issuers.fetched_keys <= fetched + 1


def forged(issuers: TokenIssuers) -> dict[str, str]:
    """Tokens that prove nothing, by what is wrong with them."""
    claims: dict[str, Any] = {"iss": issuers.issuer, "sub": "ada", "aud": AUDIENCE, "exp": 4_000_000_000}
    shared = OctKey.import_key("a shared secret of some length, for whoever knows it")
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    genuine = issuers.person("ada")
    return {
        "another's key": jwt.encode({"alg": "ES256", "kid": "first"}, claims, ECKey.generate_key("P-256")),
        "a shared secret": jwt.encode({"alg": "HS256"}, claims, shared),
        "no signature": f"{head}.{body}.",
        "another audience": issuers.person("ada", audience="others"),
        "ended": issuers.person("ada", seconds=-120),
        "not yet": issuers.person("ada", nbf=4_000_000_000),
        "never ends": issuers.person("ada", exp=None),
        "changed": f"{genuine.split('.')[0]}.{body}.{genuine.split('.')[2]}",
        "a service account's for others": issuers.service_account("a:app", audience="others"),
        "a service account's that ended": issuers.service_account("a:app", seconds=-1),
        "no JWT": "abc",
        "odd": "a.%%%.c",
    }


def test_tokens_that_prove_nothing_are_refused(running: GatewayProcess, issuers: TokenIssuers) -> None:
    statuses = {what: running.publish("calls.people", token, EVENT).status for what, token in forged(issuers).items()}
    assert statuses == dict.fromkeys(statuses, 401)
    told = running.publish("calls", None, EVENT)
    assert (told.status, told.headers["www-authenticate"]) == (401, "Bearer")
    assert running.publish("calls", None, EVENT, authorization="Basic YTpi").status == 401


def test_where_nobody_can_tell_now_it_is_said_so(running: GatewayProcess, issuers: TokenIssuers) -> None:
    known = issuers.service_account("a:app", seconds=700)
    assert running.publish("calls", known, EVENT).status == 200
    issuers.is_down = True
    try:
        told = running.publish("calls", issuers.service_account("a:app", seconds=701), EVENT)
        assert (told.status, told.headers["retry-after"]) == (503, "2")
        assert running.publish("calls", known, EVENT).status == 200  # is believed for a while
    finally:
        issuers.is_down = False


def test_an_identity_has_a_rate(running: GatewayProcess, issuers: TokenIssuers) -> None:
    slow = issuers.person("slow")
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    assert running.publish("calls", slow, [event] * 20, content_type=BATCH).status == 200  # a debt
    told = running.publish("calls", slow, EVENT)
    assert told.status == 429
    assert 1 <= int(told.headers["retry-after"]) <= 4
    assert running.publish("calls", issuers.service_account("a:app"), EVENT).status == 200


def test_grants_may_change_and_what_is_no_grants_file_changes_nothing(
    running: GatewayProcess, issuers: TokenIssuers
) -> None:
    token = issuers.person("late")
    assert running.publish("calls", token, EVENT).status == 403
    app = {"identity": "system:serviceaccount:a:app", "publish": ["calls"]}
    running.grant(app, {"identity": "realm:late", "publish": ["calls"]})
    wait_until(lambda: running.publish("calls", token, EVENT).status == 200, "the grant")
    running.grant({"identity": "realm:late", "publish": ["*calls"]})
    wait_until(lambda: "eventplane_gateway_grants_current 0.0" in running.probe("/metrics")[1], "told")
    assert running.publish("calls", token, EVENT).status == 200
    running.grant(app)
    wait_until(lambda: running.publish("calls", token, EVENT).status == 403, "the grant is gone")


def test_a_certificate_may_change(running: GatewayProcess, issuers: TokenIssuers) -> None:
    def serial() -> str:
        connection = running.connect()
        connection.connect()
        found: Any = connection.sock.getpeercert()
        connection.close()
        return str(found["serialNumber"])

    before = serial()
    issuers.certificate(running.folder / "tls")
    wait_until(lambda: serial() != before, "the new certificate")


def test_an_authority_that_is_none_is_left_for_the_status(
    tmp_path: Path, event_kafka: Kafka, issuers: TokenIssuers
) -> None:
    """The kubelet shows the file as the container's last words."""
    last_words, wrong = tmp_path / "termination-log", tmp_path / "ca.crt"
    last_words.touch()
    wrong.write_text("-----BEGIN CERTIFICATE-----")
    told = {"EVENTPLANE_TERMINATION_LOG": str(last_words)}
    oidc = [{"name": "realm", "issuer": issuers.issuer, "caFile": str(wrong)}]
    starting = gateway(tmp_path / "run", event_kafka, issuers, environment=told, config={"oidc": oidc})
    with pytest.raises(AssertionError, match="cannot start"), starting:
        pass
    assert last_words.read_text().startswith(f"caFile {wrong}: the certificates to trust cannot be read")
