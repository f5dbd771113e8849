"""The guide to the event store, executed block by block as it stands there, on a file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from integration.guide_blocks import blocks_of, run

if TYPE_CHECKING:
    from e2e.servers.postgres import Postgres

GUIDE = Path(__file__).parents[2] / "docs/guide/eventstore.md"


# the service's example takes naive times, which Python 3.12 begins to warn of
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_its_blocks_do_what_they_say(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"STORE": f"sqlite:///{tmp_path / 'events.db'}", "VIEWS": str(tmp_path / "views.db")}
    if kind == "postgres":
        server: Postgres = request.getfixturevalue("event_postgres")
        names["STORE"] = server.create_database("guide")
    blocks = blocks_of(GUIDE)
    assert len(blocks) == 7
    for block in blocks:
        await asyncio.wait_for(run(block, GUIDE, names), 30)
    await names["event_store"].close()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "User status: active"
    assert lines[1:] == [
        "user-12345 1 user.registered",
        "user-12345 2 user.activated",
        "user-12345 3 user.deactivated",
        "user-2 1 user.registered",
        "user-2 2 user.activated",
    ]
