"""Definitions in files: their text, and their type by what the file is called."""

from pathlib import Path
from typing import Final

from eventplane.api.schema import SchemaType
from eventplane.cli.failure import CommandError, ExitCode

SUFFIXES: Final[dict[str, SchemaType]] = {".avsc": "AVRO", ".json": "JSON", ".proto": "PROTOBUF"}


def read_text(path: Path, what: str) -> str:
    """Read a file.

    Raises:
        CommandError: it cannot be read, or is not UTF-8; the message calls it `what`.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(ExitCode.USAGE, f"cannot read {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(ExitCode.USAGE, f"{what} {path} is not UTF-8 text") from error


def type_of(path: Path, given: SchemaType | None) -> SchemaType:
    """Tell the type of the definition in a file: the one given, else by suffix.

    Raises:
        CommandError: neither tells it.
    """
    by_suffix = given or SUFFIXES.get(path.suffix.lower())
    if by_suffix is None:
        suffixes = ", ".join(f"{suffix} is {kind}" for suffix, kind in SUFFIXES.items())
        raise CommandError(ExitCode.USAGE, f"the name of {path} does not tell its type ({suffixes}): add --type")
    return by_suffix
