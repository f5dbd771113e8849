"""Writes every generated file, or with --check says which of them differ from what would be written.

Run as `python -m hack.generate [--check]`. Sources: the models (CRDs, reference pages), the SDK (its reference pages)
and the chart (its README's table, the static manifest). The output depends on these alone: no time, no randomness, no
cluster.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hack.chart_files import chart_readme, helm_program, install_manifest
from hack.crd_files import crd_files
from hack.reference_pages import reference_pages
from hack.sdk_pages import sdk_pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
# whatever else is found here was generated from something that is gone
_GENERATED_FOLDERS: Final = ("crds", "charts/eventplane/crds", "docs/reference")


def main(words: Sequence[str] | None = None) -> int:
    """Write or check the generated files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; print what differs and fail if anything")
    chosen = parser.parse_args(words)
    wanted = generated(helm_program())
    if chosen.check:
        differing = "".join(differences(wanted))
        print(differing or f"{len(wanted)} generated files are in sync")
        return 1 if differing else 0
    write(wanted)
    return 0


def generated(helm: Path) -> Mapping[str, str]:
    """Return the text of every generated file by its path below the repository's root."""
    crds = crd_files()
    manifest = install_manifest(ROOT, helm, (text for path, text in crds.items() if path.startswith("crds/")))
    return crds | reference_pages() | sdk_pages() | chart_readme(ROOT) | manifest


def differences(wanted: Mapping[str, str]) -> list[str]:
    """Return a unified diff for each file that is not as wanted, and for each that nothing generates any more."""
    texts = {path: (ROOT / path).read_text() if (ROOT / path).exists() else "" for path in (*wanted, *_stale(wanted))}
    return [
        "".join(
            difflib.unified_diff(
                text.splitlines(keepends=True),
                wanted.get(path, "").splitlines(keepends=True),
                path,
                f"{path} (generated)",
            )
        )
        for path, text in texts.items()
        if text != wanted.get(path, "")
    ]


def write(wanted: Mapping[str, str]) -> None:
    """Make the files as wanted and delete those that nothing generates any more."""
    for path in _stale(wanted):
        (ROOT / path).unlink()
        print(f"deleted {path}")
    for path, text in wanted.items():
        file = ROOT / path
        if not file.exists() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            print(f"wrote   {path}")


def _stale(wanted: Mapping[str, str]) -> list[str]:
    found = (file for folder in _GENERATED_FOLDERS for file in sorted((ROOT / folder).glob("*")) if file.is_file())
    return [path for path in (file.relative_to(ROOT).as_posix() for file in found) if path not in wanted]


if __name__ == "__main__":
    sys.exit(main())
