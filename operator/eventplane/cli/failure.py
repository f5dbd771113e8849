"""How a command ends: its exit codes, and the error that carries one with the line for stderr."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code of every command means."""

    OK = 0
    """Compatible, written, up to date, or shown."""
    DIFFERS = 1
    """Incompatible, or under --check the file is not what would be written."""
    USAGE = 2
    """The arguments, or the definition they name, cannot be used."""
    REGISTRY = 3
    """The registry did not answer, not in time, or refused to be asked."""
    KAFKA = 3
    """Kafka did not, or refused to take something: the same code, since it means the same to a script."""


class CommandError(Exception):
    """A command cannot go on; the message says in one line what to do."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = " ".join(message.split())
