"""Passwords of Kafka's users: SCRAM credentials, described and changed in batches."""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from confluent_kafka import KafkaError
from kafka.protocol.admin import AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest

from eventplane.backends.kafka.batches import RECORDS_PER_REQUEST, in_parts
from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.descriptions import chunks
from eventplane.backends.kafka.errors import translate
from eventplane.backends.kafka.wire_client import Admin, WireClient
from eventplane.planning.access_changes import SetPassword
from eventplane.planning.access_state import ScramMechanism
from eventplane.planning.outcome import BackendError

Credentials: TypeAlias = Mapping[ScramMechanism, int]
"""Iterations of a user's passwords, by mechanism."""

_MECHANISMS: Final[Mapping[ScramMechanism, int]] = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}
"""The protocol's numbers."""
_HASHES: Final[Mapping[ScramMechanism, str]] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_SALT_BYTES: Final = 24
_MOST_ITERATIONS: Final = 16_384
_ALL: Final = ""
"""The key of what is asked about all users."""
_DESCRIBE: Final = "Describe on the cluster"
_ALTER: Final = "Alter on the cluster"


@dataclass(frozen=True, slots=True)
class _Alteration:
    """One entry in one of the two lists of an AlterUserScramCredentials."""

    user: str
    list_name: Literal["deletions", "upsertions"]
    fields: tuple[Any, ...] = field(repr=False)


class Passwords:
    """The passwords of one cluster's users."""

    def __init__(self, client: KafkaClient, wire: WireClient) -> None:
        """Use two connections.

        Args:
            client: awaits requests, and translates their errors.
            wire: sends them.
        """
        self._client = client
        self._wire = wire

    async def describe(self, users: Sequence[str] | None) -> tuple[dict[str, Credentials], dict[str, BackendError]]:
        """Describe the passwords of those of some users, or of all, that have any, and tell why others cannot be.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask; the right is missing.
        """
        answers = await self._client.ask(
            "DescribeUserScramCredentials", _DESCRIBE, lambda _: self._wire.ask([_ALL], partial(_describe, users))
        )
        answer = answers[_ALL]
        if isinstance(answer, KafkaError):
            raise translate(answer, "the users", _DESCRIBE)
        found: dict[str, Credentials] = {}
        denied: dict[str, BackendError] = {}
        for result in answer:
            if not result.error_code:
                found[result.user] = dict(_credentials(result.credential_infos))
            elif result.error_code != KafkaError.RESOURCE_NOT_FOUND:
                denied[result.user] = translate(_error(result), f"user {result.user}", _DESCRIBE)
        return found, denied

    async def set(self, changes: Sequence[SetPassword]) -> dict[str, BackendError]:
        """Give users passwords, one each, and return what went wrong by user.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask.
        """
        salted = await self._client.in_thread(lambda: [_upsertion(change) for change in changes])
        return await self._alter(salted)

    async def delete(self, users: Sequence[str]) -> dict[str, BackendError]:
        """Take all passwords from users, and return what went wrong by user.

        Kafka takes one alteration a user and request, and which mechanisms have a password could only be asked a
        broker that may be behind. So each mechanism has a request, in which nothing to delete is fine.

        Raises:
            Unavailable, Rejected: see KafkaClient.ask.
        """
        errors: dict[str, BackendError] = {}
        for number in _MECHANISMS.values():
            errors |= await self._alter([_Alteration(user, "deletions", (user, number)) for user in users])
        return errors

    async def _alter(self, alterations: Sequence[_Alteration]) -> dict[str, BackendError]:
        answers = await in_parts(
            self._client,
            "AlterUserScramCredentials",
            _ALTER,
            chunks(alterations, RECORDS_PER_REQUEST),
            lambda _, part: self._wire.ask([each.user for each in part], partial(_alter, part)),
            lambda alteration: alteration.user,
        )
        return dict(_errors(answers))


def _describe(users: Sequence[str] | None, admin: Admin, timeout_ms: int) -> Mapping[str, Any]:
    """Ask for some users, or for all: that is an empty list, since to null without the right Kafka answers nothing."""
    names = [(user,) for user in users or ()]
    response = admin.exchange(DescribeUserScramCredentialsRequest(users=names), timeout_ms)
    return {_ALL: _error(response) if response.error_code else response.results}


def _alter(alterations: Sequence[_Alteration], admin: Admin, timeout_ms: int) -> Mapping[str, KafkaError | None]:
    lists: dict[str, list[tuple[Any, ...]]] = {"deletions": [], "upsertions": []}
    for each in alterations:
        lists[each.list_name].append(each.fields)
    response = admin.exchange(AlterUserScramCredentialsRequest(**lists), timeout_ms)
    return {result.user: _error(result) if result.error_code else None for result in response.results}


def _upsertion(change: SetPassword) -> _Alteration:
    """Hash a password; where Kafka does not take as many rounds, few are made, and it is left to Kafka to say so."""
    rounds = change.iterations if 0 < change.iterations <= _MOST_ITERATIONS else 1
    salt = secrets.token_bytes(_SALT_BYTES)
    hashed = hashlib.pbkdf2_hmac(_HASHES[change.mechanism], change.password.encode(), salt, rounds)
    fields = (change.user, _MECHANISMS[change.mechanism], change.iterations, salt, hashed)
    return _Alteration(change.user, "upsertions", fields)


def _credentials(infos: Iterable[Any]) -> Iterator[tuple[ScramMechanism, int]]:
    names = {number: name for name, number in _MECHANISMS.items()}
    return ((names[info.mechanism], info.iterations) for info in infos if info.mechanism in names)


def _error(response: Any) -> KafkaError:
    return KafkaError(response.error_code, response.error_message or None)


def _errors(answers: Mapping[str, object]) -> Iterator[tuple[str, BackendError]]:
    for user, answer in answers.items():
        if isinstance(answer, BackendError):
            yield user, answer
        elif isinstance(answer, KafkaError) and answer.code() != KafkaError.RESOURCE_NOT_FOUND:
            yield user, translate(answer, f"the password of user {user}", _ALTER)
