"""Tests of what it means that no token can be had, row by row."""

import pytest
from confluent_kafka import KafkaError

from eventplane.backends.kafka.errors import translate
from eventplane.backends.kafka.token_failures import in_librdkafkas_words, token_failure
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
