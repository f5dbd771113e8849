"""Finds the function of a `python` sink in the image that the process runs in; what is not there says what to do."""

import importlib
import traceback
from types import ModuleType
from typing import Any, Final

from eventplane.client.errors import ConfigurationError
from eventplane.client.handlers import Handler, handler_of
from eventplane.transports.process_settings import SettingsError

_ADVICE: Final = "correct sink.python.callable, or the image"


def load_function(named: str) -> Handler:
    """Import a function that is named `module:function`.

    Raises:
        SettingsError: there is none, and what to do about it.
    """
    module_name, _colon, path = named.partition(":")
    found: Any = _module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise SettingsError(f"python.callable: module {module_name} has no {path}: {_ADVICE}")
        found = getattr(found, name)
    if not callable(found):
        raise SettingsError(f"python.callable: {named} is a {type(found).__name__}, no function: {_ADVICE}")
    try:
        return handler_of(found)
    except ConfigurationError as error:
        raise SettingsError(f"python.callable: {error}") from error


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise SettingsError(
                f"python.callable: there is no module {error.name} where this process looks: {_ADVICE};"
                " it looks in the image's working directory, PYTHONPATH, and what is installed"
            ) from error
        raise SettingsError(f"python.callable: module {name} needs {error.name}: install it in the image") from error
    except Exception as error:
        raise SettingsError(
            f"python.callable: importing module {name} raised {type(error).__name__}{_where(error)}: correct the module"
        ) from error


def _where(error: Exception) -> str:
    """Tell the place only: texts of exceptions may hold what the environment holds."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
