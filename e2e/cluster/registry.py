"""Pulls public images where a registry answers; where none does, callers build their own."""

from __future__ import annotations

import functools
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from e2e.cluster.commands import CommandError, logged

if TYPE_CHECKING:
    from e2e.cluster.engine import Engine
    from e2e.cluster.steps import Step

_ADDRESS = "https://registry-1.docker.io/v2/"
_PATIENCE_SECONDS = 4.0


def pull(engine: Engine, image: str, step: Step) -> bool:
    """Make the engine hold a public image; say whether it does."""
    if engine.has_image(image):
        return True
    if not answers():
        return False
    try:
        logged(["docker", "pull", image], "docker-pull", step, env=engine.environment)
    except CommandError as refused:  # a limit or a policy; building goes on without the registry
        step.tell(f"{image} could not be pulled: {str(refused).splitlines()[-1]}")
        return False
    return True


@functools.cache
def answers() -> bool:
    """Say whether Docker Hub answers within a few seconds; `EVENTPLANE_IMAGES=build` says no without asking."""
    if os.environ.get("EVENTPLANE_IMAGES") == "build":
        return False
    try:
        with urllib.request.urlopen(_ADDRESS, timeout=_PATIENCE_SECONDS):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code == 401  # it wants a token, so it is the registry
    except OSError:
        return False
