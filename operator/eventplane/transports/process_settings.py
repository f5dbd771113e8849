"""What a process of the data plane is told by a file and by variables; whatever is wrong names which."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from eventplane.api.model import field_problems

M = TypeVar("M", bound=BaseModel)


class SettingsError(Exception):
    """Something that the process needs is absent or wrong; the message says what."""


def read_config(path: Path, model: type[M]) -> M:
    """Read a file of JSON.

    Raises:
        SettingsError: naming the file and the field.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise SettingsError(f"{path}: {field_problems(error)}") from error


def number(environment: Mapping[str, str], name: str, otherwise: float) -> float:
    """Read a number.

    Raises:
        SettingsError: it is none.
    """
    try:
        return float(environment.get(name, otherwise))
    except ValueError as error:
        raise SettingsError(f"{name} is no number") from error


def whole_number(environment: Mapping[str, str], name: str, otherwise: int) -> int:
    """Read a whole number; raises as `number` does."""
    try:
        return int(environment.get(name, otherwise))
    except ValueError as error:
        raise SettingsError(f"{name} is no number") from error
