"""The `eventplane` command: what can be asked for, and who answers."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, get_args

from eventplane.api.schema import CompatibilityLevel, SchemaType
from eventplane.cli.dead_letter_parsers import add_dead_letters
from eventplane.cli.failure import CommandError, ExitCode
from eventplane.cli.parsers import Commands, Parser, add_command
from eventplane.cli.registry_access import PASSWORD, USERNAME
from eventplane.cli.schema_codegen import LATEST, run_codegen

_INTERRUPTED: Final = 130
_NOBODY_READS: Final = 141
_CREDENTIALS: Final = f"Credentials of the registry: the environment's {USERNAME} and {PASSWORD}."
_CHECK: Final = """\
Check a definition before it is registered: the gate that the operator applies to a Schema, on a laptop or in CI.
The registry judges the versions that the level protects; what breaks whom is said in words. Nothing is registered.
Needs pip install 'eventplane[cli]'.
"""
_CHECK_END: Final = f"""\
{_CREDENTIALS}

exit codes:
  0  compatible, or the subject does not exist yet
  1  incompatible
  2  wrong arguments, or an invalid definition
  3  the registry did not answer, or refused to be asked

examples:
  eventplane schema check order.avsc --against orders-value --registry http://localhost:8081
  eventplane schema check order.proto --against orders-value --registry https://registry --ca ca.pem --output json
"""
_CODEGEN: Final = """\
Write Python types of a definition, so that publishing with the wrong type fails in the editor: pydantic models of AVRO
and JSON, message classes with type stubs of PROTOBUF. The same definition gives the same files.
Needs pip install 'eventplane[codegen]', and with --subject 'eventplane[cli,codegen]'.
"""
_CODEGEN_END: Final = f"""\
{_CREDENTIALS}

exit codes:
  0  written; with --check: up to date
  1  with --check: what is on disk differs, and how
  2  wrong arguments, or a definition that no types can be made of
  3  the registry did not answer, or refused to be asked

examples:
  eventplane schema codegen order.avsc --output src/events/order.py
  eventplane schema codegen --subject orders-value --registry http://localhost:8081 --output src/events/order.py --check
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors are one line on stderr."""
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], ExitCode] = options.command
        return command(options)
    except CommandError as error:
        sys.stderr.write(f"eventplane: {error.message}\n")
        return error.code
    except ModuleNotFoundError as error:
        if (error.name or "eventplane").startswith("eventplane"):
            raise
        sys.stderr.write(f"eventplane: {error.name} is not installed: pip install 'eventplane[cli]'\n")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads has seen enough; what Python flushes at its end goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS


def _check(options: argparse.Namespace) -> ExitCode:
    from eventplane.cli.schema_check import run_check  # noqa: PLC0415 - needs an extra, which --help does not

    return run_check(options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="eventplane", description="Event infrastructure by definition: tools for a prompt and for CI.")
    groups = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    schema = groups.add_parser("schema", help="check definitions and make Python types of them")
    commands = schema.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_check(commands)
    _add_codegen(commands)
    add_dead_letters(groups)
    return parser


def _add_check(commands: Commands) -> None:
    check = add_command(commands, "check", "check a definition against a subject's versions", _CHECK, _CHECK_END)
    check.add_argument("file", metavar="FILE", type=Path, help="the definition")
    check.add_argument("--against", metavar="SUBJECT", required=True, help="the subject it would be registered in")
    _add_type(check)
    check.add_argument(
        "--level",
        choices=get_args(CompatibilityLevel),
        metavar="LEVEL",
        help=f"{', '.join(get_args(CompatibilityLevel))}; default: the subject's, else the registry's",
    )
    check.add_argument(
        "--reference",
        metavar="NAME=SUBJECT:VERSION",
        action="append",
        default=[],
        help="something that the definition imports; can be given again",
    )
    _add_registry(check, required=True)
    check.add_argument("--output", choices=("text", "json"), default="text", help="default: %(default)s")
    check.set_defaults(command=_check)


def _add_codegen(commands: Commands) -> None:
    codegen = add_command(commands, "codegen", "write Python types of a definition", _CODEGEN, _CODEGEN_END)
    codegen.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the definition; or --subject")
    _add_type(codegen)
    codegen.add_argument("--subject", metavar="SUBJECT", help="a subject whose definition to take")
    codegen.add_argument("--version", metavar="N", default=LATEST, help="which version of it; default: %(default)s")
    _add_registry(codegen, required=False)
    codegen.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        required=True,
        help="the module to write; for PROTOBUF <name>_pb2.py in the folder that is on sys.path, its .pyi beside it",
    )
    codegen.add_argument("--check", action="store_true", help="write nothing, print how PATH differs")
    codegen.set_defaults(command=run_codegen)


def _add_type(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--type",
        choices=get_args(SchemaType),
        help="the definition's type; default: by suffix .avsc, .json or .proto",
    )


def _add_registry(command: argparse.ArgumentParser, *, required: bool) -> None:
    command.add_argument(
        "--registry", metavar="URL", required=required, help="base address of the registry's Confluent-compatible API"
    )
    command.add_argument("--ca", metavar="FILE", type=Path, help="certificates to trust, PEM; default: the system's")
    command.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=10.0, help="how long to wait for an answer; default: 10"
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - an hour
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 3600")
    return seconds
