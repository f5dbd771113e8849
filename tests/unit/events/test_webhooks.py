"""Signatures: the specification's own vector, and what the specification's own library makes of ours."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.record import PlainRecord
from eventplane.events.webhooks import SigningSecretError, signature_headers, signing_key, webhook_id

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - published
OTHER = f"whsec_{base64.b64encode(b'o' * 32).decode()}"
NOW = int(datetime.now(UTC).timestamp())


def event(id_: str, source: str = "/s") -> Event:
    told = {"specversion": "1.0", "id": id_, "source": source, "type": "t"}
    made = decode_record(PlainRecord(notes=tuple((f"ce_{name}", text.encode()) for name, text in told.items())))
    assert isinstance(made, Event)
    return made


def test_the_vector_of_the_specification() -> None:
    """As in the test suites of its libraries, `test_sign_function`."""
    headers = signature_headers(
        [signing_key(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=24, max_size=64), st.text(max_size=20))
def test_its_library_verifies_what_is_signed(key: bytes, text: str) -> None:
    secret = f"whsec_{base64.b64encode(key).decode()}"
    body = json.dumps({"text": text}).encode()
    headers = signature_headers([signing_key(secret)], webhook_id([event("1")]), NOW, body)
    assert Webhook(secret).verify(body, headers) == {"text": text}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, {**headers, "webhook-id": webhook_id([event("2")])})


@pytest.mark.parametrize("known", [SECRET, OTHER])
def test_while_secrets_change_either_verifies(known: str) -> None:
    headers = signature_headers([signing_key(OTHER), signing_key(SECRET)], "id", NOW, b"{}")
    assert Webhook(known).verify(b"{}", headers) == {}


@pytest.mark.parametrize("size", [24, 25, 26, 64])
def test_secrets_without_padding(size: int) -> None:
    key = bytes(range(size))
    assert signing_key(f"whsec_{base64.b64encode(key).decode().rstrip('=')}") == key


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="none"),
        pytest.param("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="without its prefix"),
        pytest.param("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="a public key"),
        pytest.param("whsec_not base64 not base64 not base64!", id="no base64"),
        pytest.param("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\u00fc", id="no ASCII"),
        pytest.param(f"whsec_{base64.b64encode(b'k' * 23).decode()}", id="too short"),
        pytest.param(f"whsec_{base64.b64encode(b'k' * 65).decode()}", id="too long"),
    ],
)
def test_what_is_no_secret_is_not_shown(secret: str) -> None:
    with pytest.raises(SigningSecretError) as refused:
        signing_key(secret)
    assert str(refused.value) == "is no whsec_ with 24 to 64 random bytes as base64"


def test_an_event_has_the_same_id_each_time_and_another_than_all_others() -> None:
    ids = [
        webhook_id(each)
        for each in (
            [event("1")],
            [event("2")],
            [event("1", "/other")],
            [event("1"), event("2")],
            [event("2"), event("1")],
            [event('1","2')],
            [event("a", "b,c")],
            [event("c,a", "b")],
        )
    ]
    assert len(set(ids)) == len(ids)
    assert ids[0] == webhook_id([event("1")])
    assert ids[0] == "bad64f7e051bd7b39daad46e501abce8da00a561542393ef4063248021f317b7"
