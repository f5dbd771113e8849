"""Hypothesis profiles, and the `eventplane` command as a function.

Profile `dev` is quick and tries something new each time, `ci` tries more and always the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from commands import Ended
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spans import Spans

_SLOW_MACHINE = [HealthCheck.too_slow]  # a busy core is no finding
settings.register_profile("dev", max_examples=100, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile(
    "ci",
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=_SLOW_MACHINE,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def eventplane(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command with arguments."""
    from eventplane.cli.main import main  # noqa: PLC0415 - most tests never need it

    def run(*arguments: object) -> Ended:
        code = main([str(each) for each in arguments])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """OpenTelemetry, set up for one test."""
    from spans import Spans  # noqa: PLC0415 - as above

    made = Spans()
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", made.provider)
    yield made
    made.provider.shutdown()
