"""The chart as helm renders it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.chart_files import helm_program, render
from hack.generate import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def helm() -> Path:
    return helm_program()


@pytest.fixture
def rendered(helm: Path) -> Callable[..., dict[tuple[str, str], Manifest]]:
    """Render the chart with values in the form `replicas=1`; what comes out by kind and namespace/name."""

    def by_name(*settings: str, namespace: str = "home") -> dict[tuple[str, str], Manifest]:
        documents = [each for each in yaml.safe_load_all(render(ROOT, helm, *settings, namespace=namespace)) if each]
        named = {(each["kind"], _path(each["metadata"])): each for each in documents}
        assert len(named) == len(documents), "two documents for one object"
        return named

    return by_name


def _path(metadata: Manifest) -> str:
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
