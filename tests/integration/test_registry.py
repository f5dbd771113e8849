"""The schema registry of the harness can be paused, resumed, killed and started again."""

from __future__ import annotations

import pytest

from e2e.servers import ServerError, ports, run_directories
from e2e.servers.configuration import LOOPBACK
from e2e.servers.registry import Registry, RegistryPlace

pytestmark = [pytest.mark.registry]


def test_a_registry_is_silent_while_it_is_paused_and_can_be_started_again_when_it_was_killed() -> None:
    directory = run_directories.create_private()
    registry = Registry(RegistryPlace(directory / "registry", LOOPBACK, ports.reserve(LOOPBACK)), outlive=False)
    try:
        registry.start()
        assert registry.answers
        registry.pause()
        assert not registry.answers
        registry.resume()
        assert registry.answers
        registry.stop()
        with pytest.raises(ServerError, match="does not run"):
            registry.pause()
        registry.start()
        assert registry.answers
    finally:
        run_directories.remove(directory)
