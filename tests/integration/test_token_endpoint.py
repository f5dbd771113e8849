"""A real token endpoint, and the operator's two clients of Kafka that ask it: what they get, what they say of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient

from e2e.servers.certificates import Authority
from eventplane.backends.kafka.client import client_settings
from eventplane.backends.kafka.errors import translate
from eventplane.backends.kafka.token_failures import token_failure
from eventplane.backends.kafka.token_provider import NoTokenError, TokenProvider
from eventplane.backends.kafka.wire_client import failure
from eventplane.planning.connection import KafkaConnection, TokenSource
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from confluent_kafka import KafkaError
    from integration.token_issuers import TokenIssuers

SECONDS = 10.0
SECRET = "the-operators-own"  # noqa: S105 - of a throw-away issuer


@pytest.fixture
def source(issuers: TokenIssuers) -> Iterator[TokenSource]:
    issuers.clients["operator"] = SECRET
    ca = issuers.authority.certificate.read_text()
    yield TokenSource(issuers.token_endpoint, "kafka", ca, "operator", SECRET)
    issuers.token_seconds, issuers.is_down = 600.0, False


WRONG = "refused with invalid_client: correct clientId and clientSecret in spec.kafka.authentication.secretRef"
NOT_TRUSTED = "certificate that is not trusted: correct spec.kafka.authentication.oauth.caSecretRef"
NO_ENDPOINT = "correct spec.kafka.authentication.oauth.tokenEndpointUrl"
NO_ANSWER = "gives no tokens now, or does not answer"


def told_by_librdkafka(source: TokenSource) -> BackendError:
    """Let it ask, with no Kafka to use the token for; return what its first error comes to."""
    seen: list[KafkaError] = []
    connection = KafkaConnection(("127.0.0.1:1",), mechanism="OAUTHBEARER", tokens=source)
    admin = AdminClient(client_settings(connection, "integration") | {"error_cb": seen.append})
    until = time.monotonic() + SECONDS
    while not (found := [each for each in map(token_failure, seen) if each is not None]):
        assert time.monotonic() < until
        admin.poll(0.1)
    return found[0]


def told_by_kafka_python(source: TokenSource) -> BackendError:
    """Ask as it does, and return what it comes to."""
    with pytest.raises(NoTokenError) as none:
        TokenProvider(source, SECONDS).token()
    return translate(failure(none.value), "topic orders", "Create on topic orders")


@pytest.mark.parametrize("told", [told_by_librdkafka, told_by_kafka_python])
@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        pytest.param({"client_secret": "not-the-secret"}, Rejected, WRONG, id="a wrong secret"),
        pytest.param({"ca_pem": "of others"}, Rejected, NOT_TRUSTED, id="an issuer that nobody vouches for"),
        pytest.param({"token_endpoint_url": "/nothing"}, Rejected, NO_ENDPOINT, id="nothing is there"),
        pytest.param({"token_endpoint_url": "/realm/keys"}, Rejected, NO_ENDPOINT, id="something else is there"),
        pytest.param({"token_endpoint_url": "https://127.0.0.1:9/"}, Unavailable, NO_ANSWER, id="nobody answers"),
    ],
)
def test_why_there_is_no_token(
    source: TokenSource,
    issuers: TokenIssuers,
    tmp_path: Path,
    told: Callable[[TokenSource], BackendError],
    changes: dict[str, Any],
    expected: type[BackendError],
    words: str,
) -> None:
    url = changes.get("token_endpoint_url", issuers.token_endpoint)
    asked = replace(source, **changes | {"token_endpoint_url": f"{issuers.origin}{url}" if url[0] == "/" else url})
    if "ca_pem" in changes:
        others = Authority(tmp_path)
        others.create()
        asked = replace(asked, ca_pem=others.certificate.read_text())
    error = told(asked)
    assert isinstance(error, expected)
    assert words in error.message
    assert not {"not-the-secret", SECRET} & set(error.message.split())
    assert not any(letter.isdigit() for letter in error.message.replace("404", "").replace("405", "")), "the same again"


def test_a_redirect_is_not_followed(source: TokenSource, issuers: TokenIssuers) -> None:
    """Whoever follows one shows the secret to somebody else."""
    given = len(issuers.given)
    error = told_by_kafka_python(replace(source, token_endpoint_url=f"{issuers.issuer}/moved"))
    assert isinstance(error, Rejected)
    assert "answered with status 302: correct spec.kafka.authentication.oauth.tokenEndpointUrl" in error.message
    assert len(issuers.given) == given


def test_an_endpoint_that_is_ill_is_asked_again(source: TokenSource, issuers: TokenIssuers) -> None:
    issuers.is_down = True
    assert isinstance(told_by_kafka_python(source), Unavailable)
    issuers.is_down = False
    assert TokenProvider(source, SECONDS).token()


def test_a_token_is_used_until_it_comes_of_age(source: TokenSource, issuers: TokenIssuers) -> None:
    provider, asked = TokenProvider(source, SECONDS), len(issuers.given)
    first = provider.token()
    assert provider.token() == first
    assert len(issuers.given) == asked + 1
    issuers.token_seconds = 0.5
    short = TokenProvider(source, SECONDS)
    before = short.token()
    time.sleep(0.45)
    assert short.token() != before, "before its end"
    assert len(issuers.given) == asked + 3
