"""Remembers the packet filter before our engine starts, and takes out afterwards what the engine left in it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster.commands import CommandError, find_program, output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FILTERS = ("iptables", "ip6tables")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def remember(record: Path) -> None:
    """Write the present rules, policies and forwarding switch to a file, unless an older record waits there."""
    if record.exists():
        return
    now = {"forwarding": _FORWARDING.read_text().strip(), **{name: _saved(name) for name in _FILTERS}}
    record.write_text(json.dumps(now))


def restore(record: Path, bridges: Iterable[str]) -> None:
    """Delete the engine's chains, the rules that name them or its bridges, and put policies back; drop the record.

    Args:
        record: file written by `remember`; without it nothing is touched.
        bridges: interface names that belonged to our engine alone.
    """
    if not record.exists():
        return
    before = json.loads(record.read_text())
    owned = tuple(bridges)
    for name in _FILTERS:
        for words in leftovers(before[name], _saved(name), owned):
            _quietly(name, *words)
    _FORWARDING.write_text(before["forwarding"])
    record.unlink()


def leftovers(before: str, after: str, bridges: tuple[str, ...]) -> list[list[str]]:
    """Return the commands that take an engine's traces out of a packet filter.

    Rules go first, then the chains they pointed to, then the policies of the built-in chains are set as before.

    Args:
        before: output of `iptables-save` before the engine started.
        after: the same, now.
        bridges: interface names that belonged to the engine.
    """
    known = set(_rules(before))
    rules, chains, policies = [], [], []
    for table, line in _rules(after):
        words = shlex.split(line)
        if (table, line) in known:
            continue
        if words[0] == "-A" and any(word.startswith("DOCKER") or word in bridges for word in words):
            rules.append(["-t", table, "-D", *words[1:]])
        elif words[0].startswith(":DOCKER"):
            chains.append((table, words[0][1:]))
        elif words[0].startswith(":") and words[1] != "-":
            policies.append(["-t", table, "-P", words[0][1:], _policy(known, table, words[0])])
    # A chain may hold a rule of a network that is gone: empty it before it goes.
    emptied = [["-t", table, "-F", chain] for table, chain in chains]
    removed = [["-t", table, "-X", chain] for table, chain in chains]
    return [*rules, *emptied, *removed, *policies]


def _policy(known: set[tuple[str, str]], table: str, chain: str) -> str:
    for known_table, line in known:
        if known_table == table and line.startswith(f"{chain} "):
            return line.split()[1]
    return "ACCEPT"  # what the kernel starts with


def _rules(saved: str) -> Iterator[tuple[str, str]]:
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            yield table, line.rpartition(" ")[0]  # without the counters
        elif line.startswith("-A"):
            yield table, line


def _saved(name: str) -> str:
    program = find_program(f"{name}-save")
    try:
        return output([program]) if program else ""
    except CommandError:  # a kernel without IPv6 has nothing to save
        return ""


def _quietly(name: str, *words: str) -> None:
    program = find_program(name)
    try:
        if program:
            output([program, *words])
    except CommandError as gone:  # a rule that someone else deleted meanwhile is gone all the same
        print(f"packet filter: {gone}")
