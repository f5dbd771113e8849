"""What `eventplane dead-letters` can be told."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.api.quantities import milliseconds
from eventplane.cli.failure import ExitCode
from eventplane.cli.parsers import Commands, Parser, add_command
from eventplane.events.dead_letter_choice import Span

_LIST: Final = """\
Print dead letters, a line of JSON each: original_message, error_reason, failed_at, topic, partition, offset, and more.
They stay where they are, no group is joined, nothing is committed.
"""
_REPLAY: Final = """\
Send the original bytes, key and headers of dead letters to their topics again, where all groups get them again.
The dead letters stay where they are. Without --execute it only says what it would send.
What is acknowledged is printed, a line of JSON each; the header eventplane-replayed-from says which dead letter it was.
"""
_KAFKA: Final = """\
Kafka is that of the binding below SERVICE_BINDING_ROOT, as in a pod, unless --config or --kafka says another.

exit codes:
  0  {done}
  2  wrong arguments
  3  Kafka did not answer, or refused
"""
_LIST_END: Final = f"""\
{_KAFKA.format(done="shown")}
examples:
  eventplane dead-letters list shop.billing.dlq --kafka localhost:9092 --since 36h | jq .error_reason
  kubectl get secret look-subscription -o jsonpath='{{.data.librdkafka\\.json}}' | base64 -d \\
    | eventplane dead-letters list shop.billing.dlq --config -
"""
_REPLAY_END: Final = f"""\
{_KAFKA.format(done="replayed, or without --execute: shown")}
examples:
  eventplane dead-letters replay shop.billing.dlq --config librdkafka.json --reason Unavailable --reason TimedOut
  eventplane dead-letters replay shop.billing.dlq --config reader.json --publish-config writer.json \\
    --at 0:17-40 --execute
"""


def add_dead_letters(groups: Commands) -> None:
    """Add the commands."""
    group = groups.add_parser("dead-letters", help="show dead letters and send them again")
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    shown = add_command(commands, "list", "print what a dead-letter topic holds", _LIST, _LIST_END)
    _add_choice(shown)
    shown.set_defaults(command=_list)
    replay = add_command(commands, "replay", "send dead letters to their topics again", _REPLAY, _REPLAY_END)
    _add_choice(replay)
    replay.add_argument("--to", metavar="TOPIC", help="another topic than the one that each was read from")
    replay.add_argument(
        "--publish-config", metavar="FILE", help="settings to send with, where those of --config only read"
    )
    replay.add_argument("--execute", action="store_true", help="send them")
    replay.set_defaults(command=_replay)


def _list(options: argparse.Namespace) -> ExitCode:
    from eventplane.cli.dead_letters import run_list  # noqa: PLC0415 - Kafka's client takes its time to be imported

    return run_list(options)


def _replay(options: argparse.Namespace) -> ExitCode:
    from eventplane.cli.dead_letters import run_replay  # noqa: PLC0415 - as above

    return run_replay(options)


def _add_choice(command: Parser) -> None:
    command.add_argument("topic", metavar="TOPIC", help="the dead-letter topic, by its name in Kafka")
    command.add_argument(
        "--reason",
        choices=get_args(FailureReason),
        metavar="REASON",
        action="append",
        default=[],
        help=f"{', '.join(get_args(FailureReason))}; can be given again",
    )
    command.add_argument("--subscription", metavar="NAMESPACE/NAME", help="given up by this one")
    command.add_argument(
        "--at",
        metavar="PARTITION:OFFSET",
        type=_span,
        action="append",
        default=[],
        help="places in the dead-letter topic: 0:17, 0:17-40, 0:17-; can be given again",
    )
    command.add_argument("--since", metavar="TIME", type=_moment, help="2026-11-29T10:00:00Z, or how long ago: 36h")
    command.add_argument("--limit", metavar="N", type=_count, help="no more than so many")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--config", metavar="FILE", help="settings of librdkafka in JSON; - is standard input")
    where.add_argument("--kafka", metavar="HOST:PORT", help="a Kafka that asks for no credentials")


def _span(text: str) -> Span:
    try:
        return Span.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _ago(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _ago(text: str) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(milliseconds=milliseconds(text))  # noqa: TID251 - the user's now
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a time such as 2026-11-29T10:00:00Z nor 36h") from None


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return count
