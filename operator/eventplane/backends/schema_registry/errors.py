"""What a schema registry's answers mean to a user: the one table by which they become Unavailable or Rejected."""

import re
from typing import Any, Final

from eventplane.api.conditions import Reason
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

_TRY_AGAIN: Final = frozenset({408, 425, 429})
_BY_STATUS: Final = {
    401: Reason.AUTHENTICATION_FAILED,
    403: Reason.AUTHORIZATION_FAILED,
    409: Reason.INCOMPATIBLE,
}
_BY_CODE: Final = {
    42201: Reason.DEFINITION_INVALID,
    42206: Reason.IN_USE,
}
"""Confluent's error codes that mean more than their status; Karapace and Redpanda have the same numbers."""

_NOT_COMPARABLE: Final = "could not determine version"
"""What Apicurio says, as an error 500, of a JSON schema whose draft its comparison does not know: 2019-09 and later."""

_UNRESOLVED: Final = "Unresolved JSON Schema reference"
"""What Apicurio says, as an error 500, of a JSON schema with imports whose compatibility it is asked about."""

_JAVA_CLASS: Final = re.compile(r"^(?:[a-z]\w*\.)+\w+(?:Exception|Error): ")
_MAX_WORDS: Final = 1000


class NoAnswer(Unavailable):
    """Nothing came back: no connection, or not in time."""

    def __init__(self, about: str, cause: str) -> None:
        super().__init__(f"the schema registry did not answer about {about}: {cause}", Reason.REGISTRY_UNAVAILABLE)


def translate(status: int, answer: Any, about: str) -> BackendError:
    """Turn an answer that is neither success nor absence into one of the two errors there are.

    | status                 | becomes                                                       |
    |------------------------|---------------------------------------------------------------|
    | 401                    | Rejected, AuthenticationFailed                                |
    | 403                    | Rejected, AuthorizationFailed                                 |
    | 409                    | Rejected, Incompatible                                        |
    | 422, code 42201        | Rejected, DefinitionInvalid                                   |
    | 422, code 42206        | Rejected, InUse                                               |
    | 408, 425, 429, 5xx     | Unavailable, RegistryUnavailable                              |
    | 500, draft not known   | Rejected, NotComparable: trying again would end the same      |
    | 500, import not found  | Rejected, DefinitionInvalid: the same                         |
    | anything else          | Rejected, Rejected                                            |

    Args:
        status: of HTTP.
        answer: the body, where it is JSON.
        about: what it was about, for the message: `subject orders-value`.
    """
    words, code = _words(answer), answer.get("error_code") if isinstance(answer, dict) else None
    if _NOT_COMPARABLE in words:
        return Rejected(
            Reason.NOT_COMPARABLE,
            f"the schema registry cannot compare JSON schemas of this draft ({about}: {words}): set compatibility, so"
            " that Eventplane compares them, or leave out $schema",
        )
    if _UNRESOLVED in words:
        return Rejected(Reason.DEFINITION_INVALID, f"the schema registry refused {about}: {words}")
    if status in _TRY_AGAIN or status >= 500:  # noqa: PLR2004 - HTTP's own number
        return Unavailable(
            f"the schema registry cannot serve {about} now: {words or f'status {status}'}", Reason.REGISTRY_UNAVAILABLE
        )
    reason = _BY_CODE.get(code) or _BY_STATUS.get(status, Reason.REJECTED)  # type: ignore[arg-type]  # or None
    advice = _ADVICE.get(reason, "")
    return Rejected(reason, f"the schema registry refused {about}: {words or f'status {status}'}{advice}")


_ADVICE: Final = {
    Reason.AUTHENTICATION_FAILED: "; check the Secret that the EventBus names in spec.schemaRegistry.authentication",
    Reason.AUTHORIZATION_FAILED: "; the bus's user lacks a right in the registry",
}


def not_a_registry(about: str) -> Rejected:
    """Say that the answer is not one of Confluent's API."""
    return Rejected(
        Reason.REJECTED,
        f"the answer about {about} is not that of a schema registry: check spec.schemaRegistry.url of the EventBus",
    )


def _words(answer: Any) -> str:
    words = answer.get("message") if isinstance(answer, dict) else None
    return _JAVA_CLASS.sub("", " ".join(words.split()))[:_MAX_WORDS] if isinstance(words, str) else ""
