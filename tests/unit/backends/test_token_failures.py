"""Tests of what it means that no token can be had, or that a broker looks at none, row by row."""

import pytest
from confluent_kafka import KafkaError

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.errors import refusal, translate
from eventplane.backends.kafka.token_failures import in_librdkafkas_words, is_hasty_renewal, token_failure
from eventplane.planning.outcome import BackendError, Rejected, Unavailable


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        pytest.param('{"error": "temporarily_unavailable"}', Unavailable, id="it passes, says the endpoint"),
        pytest.param('{"error": "invalid_client"}', Rejected, id="who asks is not known"),
        pytest.param(
            '{"error":"invalid_scope","error_description":"at 12:00:01"}', Rejected, id="too much is asked for"
        ),
        pytest.param("404: Not Found", Rejected, id="it is not there"),
        pytest.param("401: ", Rejected, id="who asks is not known, without a word"),
        pytest.param("429: Too Many Requests", Unavailable, id="too often"),
        pytest.param("408: Request Timeout", Unavailable, id="too slow"),
        pytest.param("503: Service Unavailable", Unavailable, id="it is ill"),
        pytest.param("SSL certificate problem: self-signed certificate", Rejected, id="nobody vouches for it"),
        pytest.param("error adding trust anchors from file: /ca", Rejected, id="there is nobody to vouch"),
        pytest.param("Failed to connect to 10.0.0.1 after 3 ms", Unavailable, id="nobody answers"),
        pytest.param("the answer has no access_token", Unavailable, id="no token in it"),
    ],
)
def test_what_no_token_means(cause: str, expected: type[BackendError]) -> None:
    error = in_librdkafkas_words(cause)
    for told in (token_failure(error), translate(error, "topic orders", "Create on topic orders")):
        assert isinstance(told, expected)
        assert "12:00" not in told.message
        assert "ms" not in told.message.split()


def test_other_errors_are_about_something_else() -> None:
    assert token_failure(KafkaError(KafkaError._AUTHENTICATION, "invalid credentials")) is None  # noqa: SLF001


HASTY = KafkaError(
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's name
    "sasl_ssl://10.0.0.1:9093/1: SASL OAUTHBEARER mechanism handshake failed: Broker: Request not valid in current "
    "SASL state: broker's supported mechanisms:  (after 3ms in state REAUTH)",
)
UNKNOWN = KafkaError(
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    "sasl_ssl://10.0.0.1:9093/1: SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL mechanism: "
    "broker's supported mechanisms: SCRAM-SHA-512 (after 3ms in state AUTH_HANDSHAKE)",
)


@pytest.mark.parametrize(
    ("error", "mechanism", "was_let_in", "expected"),
    [
        pytest.param(HASTY, "OAUTHBEARER", True, Unavailable, id="a broker that has just looked at another token"),
        pytest.param(HASTY, "OAUTHBEARER", False, Rejected, id="a listener that never let us in expects another login"),
        pytest.param(HASTY, "SCRAM-SHA-512", True, Rejected, id="passwords have no end, so nobody was hasty"),
        pytest.param(HASTY, None, True, Rejected, id="no login at all"),
        pytest.param(UNKNOWN, "OAUTHBEARER", True, Rejected, id="brokers that take no tokens any more"),
        pytest.param(in_librdkafkas_words("503: ill"), "OAUTHBEARER", True, Unavailable, id="no token now"),
        pytest.param(in_librdkafkas_words("401: "), "OAUTHBEARER", True, Rejected, id="no token for us"),
    ],
)
def test_what_a_refused_connection_means(
    error: KafkaError, mechanism: str | None, *, was_let_in: bool, expected: type[BackendError]
) -> None:
    told = refusal(error, mechanism, was_let_in=was_let_in)
    assert isinstance(told, expected)
    assert not any(word in told.message for word in ("10.0.0.1", "3ms"))
    if isinstance(told, Rejected):
        assert told.reason == Reason.AUTHENTICATION_FAILED


def test_haste_is_told_by_code_and_words() -> None:
    assert is_hasty_renewal(HASTY)
    assert not is_hasty_renewal(UNKNOWN)
    assert not is_hasty_renewal(KafkaError(KafkaError.ILLEGAL_SASL_STATE, HASTY.str())), "a request, no connection"
