"""What a process of the data plane is told by a file and by variables; whatever is wrong names which."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from eventplane.api.model import field_problems

M = TypeVar("M", bound=BaseModel)

_LAST_WORDS: Final = "/dev/termination-log"
"""Kubernetes' default for terminationMessagePath."""


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


def leave_last_words(environment: Mapping[str, str], problem: str) -> None:
    """Say why there is no start where the kubelet takes it from: it is in the pod's status, and in that of its owner.

    The variable EVENTPLANE_TERMINATION_LOG names another file than Kubernetes' default; one that is not there is not
    made.
    """
    last_words = Path(environment.get("EVENTPLANE_TERMINATION_LOG", _LAST_WORDS))
    if last_words.is_file():
        with contextlib.suppress(OSError):
            last_words.write_text(problem)
