"""Writes what the `eventplane schema` commands of docs/guide/schema-cli.md really print into that page.

Run as `python -m hack.schema_cli_page`; it starts a schema registry of its own. A test renders the page and compares.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from e2e.servers.registry import Registry, private_registry
from hack import console_page

GUIDE: Final = Path(__file__).resolve().parent.parent / "docs" / "guide"
PAGE: Final = GUIDE / "schema-cli.md"
FILES: Final = GUIDE / "schema-cli"
_SHOWN: Final = "http://localhost:8081"
_SUBJECT: Final = "orders-value"


def main() -> int:
    """Start a registry, write the page."""
    with private_registry() as registry:
        prepare(registry)
        PAGE.write_text(rendered(PAGE.read_text(), registry.url))
    return 0


def prepare(registry: Registry) -> None:
    """Register what the page says is registered; ids are the page's where nothing was registered before."""
    registry.request("POST", f"/subjects/{_SUBJECT}/versions", {"schema": (FILES / "registered.avsc").read_text()})


def rendered(page: str, url: str) -> str:
    """Run the commands of a page, in order and in one folder, and put what they print below each."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        for path in FILES.iterdir():
            shutil.copy(path, folder)

        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        cache = str(folder / ".mypy")
        environment = {"PATH": programs, "HOME": str(folder), "LANG": "C.UTF-8", "MYPY_CACHE_DIR": cache}

        def run(command: str) -> str:
            return console_page.printed(command.replace(_SHOWN, url), folder, environment).replace(url, _SHOWN)

        return console_page.rendered(page, run)


if __name__ == "__main__":
    sys.exit(main())
