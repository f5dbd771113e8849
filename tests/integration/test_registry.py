"""The schema registry of the harness can be paused, resumed, killed and started again, and loses nothing by it."""

from __future__ import annotations

import pytest

from e2e.servers import ServerError
from e2e.servers.registry import private_registry

pytestmark = [pytest.mark.registry]


def test_a_registry_is_silent_while_it_is_paused_and_can_be_started_again_when_it_was_killed() -> None:
    with private_registry() as registry:
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


def test_a_registry_that_was_killed_still_has_what_it_confirmed() -> None:
    with private_registry() as registry:
        for number in range(5):
            registry.request("POST", f"/subjects/kept-{number}/versions", {"schema": '{"type": "string"}'})
        registry.stop()
        registry.start()
        assert registry.request("GET", "/subjects") == [f"kept-{number}" for number in range(5)]
