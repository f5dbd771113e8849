"""Parsers of commands, as all are made: one line where an argument is wrong, help with exit codes and examples."""

import argparse
from typing import NoReturn, TypeAlias

from eventplane.cli.failure import CommandError, ExitCode


class Parser(argparse.ArgumentParser):
    """A parser that says one line where argparse would print the usage too."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments."""
        raise CommandError(ExitCode.USAGE, f"{message} (see {self.prog} --help)")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse gives its return type no public name
"""What commands are added to."""


def add_command(commands: Commands, name: str, summary: str, description: str, end: str) -> Parser:
    """Add a command with its help."""
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=end,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
