"""A file that others are just about to open, too."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from eventplane.eventstore import EventStore, StoreUnavailableError


@pytest.fixture
def busy(tmp_path: Path) -> sqlite3.Connection:
    """Read in a file that has no write-ahead log yet: meanwhile nobody can switch to one."""
    other = sqlite3.connect(tmp_path / "e.db", isolation_level=None)
    for statement in ("CREATE TABLE t (a)", "BEGIN", "SELECT * FROM t"):
        other.execute(statement).fetchall()
    return other


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself does not wait, as it does not where two switch at the same time."""
    connect = sqlite3.connect
    monkeypatch.setattr(
        "eventplane.eventstore.sqlite.sqlite3.connect", lambda path, **others: connect(path, **{**others, "timeout": 0})
    )


async def test_a_store_waits_until_the_file_can_have_a_write_ahead_log(
    tmp_path: Path, busy: sqlite3.Connection
) -> None:
    url = f"sqlite:///{tmp_path / 'e.db'}"
    store = EventStore(url)
    opening = asyncio.create_task(store.get_events("a-1"))
    await asyncio.sleep(0.1)
    assert not opening.done()
    busy.close()
    assert list(await opening) == []
    await store.close()
    looking = sqlite3.connect(tmp_path / "e.db")
    assert looking.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    looking.close()


async def test_it_does_not_wait_for_ever(
    tmp_path: Path, busy: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventplane.eventstore.sqlite._BUSY_SECONDS", 0.05)
    store = EventStore(f"sqlite:///{tmp_path / 'e.db'}")
    with pytest.raises(StoreUnavailableError, match="others keep it locked"):
        await store.get_events("a-1")
    busy.close()
    await store.close()
