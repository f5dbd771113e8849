"""What an application that installs the package alone may rely on."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

_PROGRAM = """
import sys
import eventplane.client, eventplane.eventstore, eventplane.testing
extras = {"kopf", "kubernetes", "aiohttp", "prometheus_client", "kafka", "yarl", "pydantic_settings", "jinja2"}
sys.exit(", ".join(sorted(extras & set(sys.modules))) or 0)
"""


def test_it_needs_no_extra() -> None:
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_it_is_typed() -> None:
    assert files("eventplane").joinpath("py.typed").is_file()
