"""Writes what the `eventplane schema` commands of docs/guide/schema-cli.md really print into that page.

Run as `python -m hack.schema_cli_page`; it starts a schema registry of its own. A test renders the page and compares.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Final

from e2e.servers import ports
from e2e.servers.registry import Registry, RegistryPlace
from hack import console_page

GUIDE: Final = Path(__file__).resolve().parent.parent / "docs" / "guide"
PAGE: Final = GUIDE / "schema-cli.md"
FILES: Final = GUIDE / "schema-cli"
_SHOWN: Final = "http://localhost:8081"
_SUBJECT: Final = "orders-value"
_LOOPBACK: Final = "127.0.0.1"


def main() -> int:
    """Start a registry, write the page."""
    with tempfile.TemporaryDirectory() as directory:
        registry = Registry(RegistryPlace(Path(directory), _LOOPBACK, ports.reserve(_LOOPBACK)), outlive=False)
        try:
            registry.start()
            prepare(registry.url)
            PAGE.write_text(rendered(PAGE.read_text(), registry.url))
        finally:
            registry.stop()
    return 0


def prepare(url: str) -> None:
    """Register what the page says is registered; ids are the page's where nothing was registered before."""
    body = json.dumps({"schema": (FILES / "registered.avsc").read_text()}).encode()
    request = urllib.request.Request(  # noqa: S310 - the address is our own registry's
        f"{url}/subjects/{_SUBJECT}/versions", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - the same
        response.read()


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
