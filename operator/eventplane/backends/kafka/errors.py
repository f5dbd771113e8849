"""What Kafka's error codes mean to a user: the one table by which they become Unavailable or Rejected."""
# ruff: noqa: SLF001 - librdkafka names the errors of the client itself with an underscore

from typing import Final

from confluent_kafka import KafkaError

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.token_failures import is_hasty_renewal, token_failure
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

_NO_ANSWER: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._DESTROY,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError.NETWORK_EXCEPTION,
    }
)
"""Raised by the client itself: nothing came back."""

_REJECTIONS: Final = {
    KafkaError.INVALID_CONFIG: Reason.REJECTED,
    KafkaError.INVALID_REPLICATION_FACTOR: Reason.REJECTED,
    KafkaError.INVALID_REPLICA_ASSIGNMENT: Reason.REJECTED,
    KafkaError.INVALID_PARTITIONS: Reason.REJECTED,
    KafkaError.INVALID_REQUEST: Reason.REJECTED,
    KafkaError.POLICY_VIOLATION: Reason.REJECTED,
    KafkaError.TOPIC_EXCEPTION: Reason.REJECTED,  # an invalid topic name
    KafkaError.TOPIC_DELETION_DISABLED: Reason.REJECTED,
    KafkaError.UNSUPPORTED_VERSION: Reason.REJECTED,
    KafkaError._UNSUPPORTED_FEATURE: Reason.REJECTED,
    KafkaError._INVALID_ARG: Reason.REJECTED,
    KafkaError.SECURITY_DISABLED: Reason.REJECTED,
    KafkaError.UNACCEPTABLE_CREDENTIAL: Reason.REJECTED,  # such as too few iterations
    KafkaError.TOPIC_ALREADY_EXISTS: Reason.TOPIC_EXISTS,
    KafkaError.SASL_AUTHENTICATION_FAILED: Reason.AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: Reason.AUTHENTICATION_FAILED,
    KafkaError.ILLEGAL_SASL_STATE: Reason.AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION: Reason.AUTHENTICATION_FAILED,
    KafkaError._SSL: Reason.AUTHENTICATION_FAILED,
}
_RIGHTS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


def is_no_answer(error: KafkaError) -> bool:
    """Tell whether the error only says that nobody answered."""
    return error.code() in _NO_ANSWER


def is_refused_connection(error: KafkaError) -> bool:
    """Tell whether the error says that a broker would not talk to us: who we are, or its certificate."""
    return error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)


def refusal(error: KafkaError, mechanism: str | None, *, was_let_in: bool) -> BackendError:
    """Tell what it means that a broker would not talk to us. The first row that fits wins.

    | what librdkafka says                                              | what it is                    |
    |-------------------------------------------------------------------|-------------------------------|
    | it gets no token                                                  | what `token_failure` says     |
    | it came too soon with another token, and has been let in with one | Unavailable: it connects anew |
    | anything else                                                     | Rejected                      |

    Args:
        error: what a client was told of a connection.
        mechanism: how it logs in, by Kafka's name of it; None where it does not.
        was_let_in: whether brokers have answered this client before.
    """
    no_token = token_failure(error)
    if no_token is not None:
        return no_token
    if mechanism == "OAUTHBEARER" and was_let_in and is_hasty_renewal(error):
        return Unavailable(
            "Kafka looks at tokens once a second at most, and another came sooner: let tokens hold longer"
        )
    return Rejected(Reason.AUTHENTICATION_FAILED, f"Kafka refused the connection: {_cause(error)}")


def is_notice(error: KafkaError) -> bool:
    """Tell whether what a consumer reports does not keep it from reading.

    That is the end of a partition, and a missing right on its group, which it never joins.
    """
    return error.code() in (KafkaError._PARTITION_EOF, KafkaError.GROUP_AUTHORIZATION_FAILED)


def is_lag(error: KafkaError) -> bool:
    """Tell whether a broker does not know yet, or is about to learn, who leads a partition that exists."""
    return error.code() in (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError._NOENT,  # librdkafka found no leader
    )


def is_absent(error: KafkaError) -> bool:
    """Tell whether the error says that a topic does not exist, or cannot exist by that name."""
    return error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION)


def translate(error: KafkaError, subject: str, right: str) -> BackendError:
    """Turn Kafka's error into one of the two there are; what the table does not know is tried again.

    Args:
        error: what Kafka, or its client, answered.
        subject: what it was about, for the message: `topic orders`.
        right: what the user must be allowed to do for it: `Create on topic orders`.
    """
    no_token = token_failure(error)
    if no_token is not None:
        return no_token
    if error.code() in _RIGHTS:
        return Rejected(Reason.AUTHORIZATION_FAILED, f"Kafka refused {subject}: the bus's user lacks the right {right}")
    reason = _REJECTIONS.get(error.code())
    if reason is not None:
        return Rejected(reason, f"Kafka refused {subject}: {error.str()}")
    if is_no_answer(error):
        return Unavailable(f"Kafka did not answer about {subject}: {error.str()}")
    return Unavailable(f"Kafka cannot serve {subject} now: {error.str()}")


def _cause(error: KafkaError) -> str:
    """Take addresses and durations, which change by themselves, out of what librdkafka says."""
    text = error.str()
    return text.split(": ", 1)[-1].split(" (after ")[0]
