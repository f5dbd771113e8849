"""The function of a sink is found in the process's image; whatever is not there says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventplane.runtime.loading import load_function
from eventplane.transports.process_settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
class Service:
    @staticmethod
    async def handle(event): ...

def handle(event): ...

number = 7

def unreadable(event: "Event[Nowhere]"): ...
"""


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is there, by a name that no other test uses."""
    name = f"shop_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    for module, text in {
        "__init__": "",
        "events": MODULE,
        "needy": "import a_module_that_nobody_has",
        "broken": "PASSWORD = 'hunter2'\nraise KeyError(PASSWORD)",
        "unwritten": "def",
    }.items():
        (tmp_path / name / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(("path", "is_async"), [("handle", False), ("Service.handle", True)])
def test_a_function_is_found(image: str, path: str, is_async: bool) -> None:  # noqa: FBT001
    handler = load_function(f"{image}.events:{path}")
    assert (handler.name, handler.is_async) == (path, is_async)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("nowhere_at_all:handle", ("no module nowhere_at_all", "PYTHONPATH", "correct sink.python.callable")),
        ("{}.nowhere:handle", (".nowhere where this process looks", "correct sink.python.callable")),
        ("{}.events:nothing", ("has no nothing", "correct sink.python.callable")),
        ("{}.events:Service.nothing", ("has no Service.nothing",)),
        ("{}.events:number", ("a int, no function",)),
        ("{}.events:unreadable", ("annotation cannot be read",)),
        ("{}.needy:handle", ("needs a_module_that_nobody_has", "install it in the image")),
        ("{}.broken:handle", ("raised KeyError at", "broken.py:2", "correct the module")),
        ("{}.unwritten:handle", ("raised SyntaxError",)),
    ],
)
def test_what_is_not_there_says_what_to_do(image: str, named: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as refused:
        load_function(named.format(image))
    assert str(refused.value).startswith("python.callable: ")
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert "hunter2" not in str(refused.value)
