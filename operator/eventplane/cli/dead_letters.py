"""`eventplane dead-letters`: shows dead letters as lines of JSON, and sends them to their topics again."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from eventplane.cli.failure import CommandError, ExitCode
from eventplane.cli.kafka_access import kafka_config
from eventplane.client import Choice, ConsumingError, DeadLetter, DeadLetters, PublishError, Receipt
from eventplane.client.configuration import BrokerConfig

_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """Which dead letters a command is about."""

    config: BrokerConfig
    topic: str
    choice: Choice
    since: datetime | None
    limit: int | None


def run_list(options: argparse.Namespace) -> ExitCode:
    """Print dead letters, a line of JSON each.

    Raises:
        CommandError: Kafka did not answer, or refused, or the arguments cannot be used.
    """
    return asyncio.run(_list(_wish(options)))


def run_replay(options: argparse.Namespace) -> ExitCode:
    """Send dead letters again, or, unless told to execute, say what would be sent.

    Raises:
        CommandError: one of them was not sent; or as `run_list`.
    """
    wish = _wish(options)
    told = options.publish_config
    writing = wish.config if told is None else kafka_config(None, told, os.environ)
    return asyncio.run(_replay(wish, writing, options.to, execute=options.execute))


async def _list(wish: Wish) -> ExitCode:
    async with DeadLetters(wish.config) as letters:
        async for letter in _chosen(letters, wish):
            _print(letter.to_dict())
    return ExitCode.OK


async def _replay(wish: Wish, writing: BrokerConfig, to: str | None, *, execute: bool) -> ExitCode:
    """Replay some at once, so that each need not wait for the one before; order within a partition is kept."""
    count = 0
    async with DeadLetters(wish.config) as letters, DeadLetters(writing) as writer:
        waiting: list[DeadLetter] = []
        async for letter in _chosen(letters, wish):
            waiting.append(letter)
            if len(waiting) >= _AT_ONCE:
                count += await _sent(writer, waiting, to, execute=execute)
                waiting = []
        count += await _sent(writer, waiting, to, execute=execute)
    advice = "" if execute else "; nothing was sent: add --execute"
    sys.stderr.write(f"{count} dead letters {'replayed' if execute else 'would be replayed'}{advice}\n")
    return ExitCode.OK


async def _sent(writer: DeadLetters, waiting: Sequence[DeadLetter], to: str | None, *, execute: bool) -> int:
    """Send some, and print those that are acknowledged.

    Raises:
        CommandError: one was not.
    """
    if not execute:
        for letter in waiting:
            _print(_told(letter, to or letter.topic, None))
        return len(waiting)
    sending = (writer.replay(letter, to=to) for letter in waiting)
    outcomes = await asyncio.gather(*sending, return_exceptions=True)
    problems = []
    for letter, outcome in zip(waiting, outcomes, strict=True):
        if isinstance(outcome, Receipt):
            _print(_told(letter, outcome.topic, outcome))
        elif isinstance(outcome, PublishError):
            problems.append(f"{letter.lies_at} was not replayed: {outcome}")
        else:
            raise outcome
    if problems:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise CommandError(ExitCode.KAFKA, f"{problems[0]}{more}; what was replayed is printed")
    return len(waiting)


async def _chosen(letters: DeadLetters, wish: Wish) -> AsyncIterator[DeadLetter]:
    try:
        async for letter in letters.read(wish.topic, since=wish.since, limit=wish.limit, choice=wish.choice):
            yield letter
    except ConsumingError as error:
        raise CommandError(ExitCode.KAFKA, str(error)) from error


def _told(letter: DeadLetter, topic: str, receipt: Receipt | None) -> Mapping[str, Any]:
    sent = {} if receipt is None else {"partition": receipt.partition, "offset": receipt.offset}
    return {
        "dead_letter": letter.lies_at,
        "error_reason": letter.error_reason,
        "replayed": receipt is not None,
        "topic": topic,
        **sent,
    }


def _wish(options: argparse.Namespace) -> Wish:
    config = kafka_config(options.kafka, options.config, os.environ)
    choice = Choice(frozenset(options.reason), options.subscription, tuple(options.at))
    return Wish(config, options.topic, choice, options.since, options.limit)


def _print(document: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
