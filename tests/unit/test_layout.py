"""The layout that everything else trusts: a source root that shadows no module, and a law in every package."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "operator"
PACKAGES = sorted(SOURCE.glob("eventplane/**/__init__.py"))


def test_source_root_holds_packages_only() -> None:
    """A module there would shadow one of the standard library's: `operator` itself, with an __init__.py."""
    assert [path.name for path in SOURCE.glob("*.py")] == []


def test_packages_are_found() -> None:
    assert SOURCE / "eventplane" / "planning" / "__init__.py" in PACKAGES


@pytest.mark.parametrize("init", PACKAGES, ids=lambda path: path.parent.name)
def test_package_states_its_law(init: Path) -> None:
    law = ast.get_docstring(ast.parse(init.read_text()))
    assert law, f"{init.parent.name} does not say what may live in it"
    if init.parents[2] == SOURCE:
        assert len(law.splitlines()) > 1, "what it answers in the first line, then what may and may not live in it"


@pytest.mark.parametrize("module", sorted(SOURCE.glob("eventplane/**/*.py")), ids=lambda path: path.stem)
def test_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))
