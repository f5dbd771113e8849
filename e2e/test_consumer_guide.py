"""The guide to consumers shows what its commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e import consumer_guide

if TYPE_CHECKING:
    from e2e.installation import Installation
    from e2e.workspace import Workspace

pytestmark = pytest.mark.cluster


def test_the_page_shows_what_its_commands_print(operator: Installation, home: Workspace) -> None:
    del home  # the operator works
    page = consumer_guide.PAGE.read_text()
    assert consumer_guide.rendered(page, operator.cluster) == page, "run python -m e2e.consumer_guide"
