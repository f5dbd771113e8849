"""What it means that no token can be had, or is not looked at: librdkafka has one code for it, and only words tell."""

import re
from typing import Final

from confluent_kafka import KafkaError

from eventplane.api.conditions import Reason
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

_BEGINNING: Final = "Failed to acquire SASL OAUTHBEARER token: "
_ERROR: Final = re.compile(r'"error"\s*:\s*"([a-z_]{1,40})"')
"""The code that RFC 6749, section 5.2 asks for; what is beside it may have times and numbers of requests."""
_STATUS: Final = re.compile(r"^(3|4(?!08|29))\d\d\b")
_CERTIFICATE: Final = re.compile(r"certificate|trust anchors|\bSSL\b|\bTLS\b", re.IGNORECASE)
_HASTY: Final = f"handshake failed: {KafkaError(KafkaError.ILLEGAL_SASL_STATE).str()}"
_PASSING: Final = frozenset({"temporarily_unavailable", "server_error"})
_WHERE: Final = "spec.kafka.authentication"
_LOGIN: Final = f"clientId and clientSecret in {_WHERE}.secretRef"


def in_librdkafkas_words(text: str) -> KafkaError:
    """Make the error that librdkafka would make of it."""
    return KafkaError(KafkaError._AUTHENTICATION, _BEGINNING + text)  # noqa: SLF001 - librdkafka's name


def token_failure(error: KafkaError) -> BackendError | None:
    """Tell why there is no token; None where the error is about something else. The first row that fits wins.

    | the token endpoint's answer             | what it is                  |
    |-----------------------------------------|-----------------------------|
    | an error that passes, says RFC 6749     | Unavailable                 |
    | any other error of RFC 6749             | Rejected                    |
    | a redirect; or 4xx, but for 408 and 429 | Rejected                    |
    | a certificate that nobody vouches for   | Rejected                    |
    | none, or another status                 | Unavailable                 |
    """
    text = error.str()
    if not text.startswith(_BEGINNING):
        return None
    cause = text.removeprefix(_BEGINNING)
    named, status = _ERROR.search(cause), _STATUS.match(cause)
    if named is not None and named[1] not in _PASSING:
        return _rejected(f"refused with {named[1]}: correct {_LOGIN}, or the scope")
    if named is None and status is not None:
        return _rejected(
            f"answered with status {status[0]}: correct {_WHERE}.oauth.tokenEndpointUrl, or {_LOGIN}",
        )
    if named is None and _CERTIFICATE.search(cause):
        return _rejected(f"has a certificate that is not trusted: correct {_WHERE}.oauth.caSecretRef")
    return Unavailable(f"the token endpoint in {_WHERE}.oauth gives no tokens now, or does not answer")


def is_hasty_renewal(error: KafkaError) -> bool:
    """Tell whether a broker refused to look at a token, as it does within a second of having looked at another.

    It says the same to who begins wrongly, by a login that the listener does not expect. Source: KIP-368, and
    `KafkaChannel.maybeBeginServerReauthentication` of Kafka.
    """
    return error.code() == KafkaError._AUTHENTICATION and _HASTY in error.str()  # noqa: SLF001 - librdkafka's name


def _rejected(text: str) -> Rejected:
    return Rejected(Reason.AUTHENTICATION_FAILED, f"the operator gets no token for Kafka, the token endpoint {text}")
