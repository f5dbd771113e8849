"""A folder of definitions, and the import of what was generated."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest
from unit.cli.definitions import ADDRESS, AVRO, JSON, PROTOBUF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a definition of each type."""
    (tmp_path / "order.avsc").write_text(AVRO)
    (tmp_path / "order.json").write_text(JSON)
    (tmp_path / "order.proto").write_text(PROTOBUF)
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "address.proto").write_text(ADDRESS)
    return tmp_path


@pytest.fixture
def load(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], ModuleType]]:
    """Import a module from a file, and forget it after the test."""
    loaded: list[str] = []

    def load_module(path: Path) -> ModuleType:
        name = f"{request.node.name.partition('[')[0]}_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # pydantic looks up the names in annotations there
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield load_module
    for name in loaded:
        sys.modules.pop(name, None)
