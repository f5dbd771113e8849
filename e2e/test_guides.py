"""Pages of the guide that show a console show what its commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.guides import GUIDES, Guide

if TYPE_CHECKING:
    from e2e.installation import Installation
    from e2e.workspace import Workspace

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_page_shows_what_its_commands_print(guide: Guide, operator: Installation, home: Workspace) -> None:
    del home  # the operator works
    outdated = guide.outdated(operator.cluster)
    assert not outdated, f"run python -m e2e.guides {guide.name}\n{outdated}"
