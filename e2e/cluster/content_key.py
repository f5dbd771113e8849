"""Names results by what they were made from, so that a result is reused exactly while its recipe stands."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def content_key(*parts: str | bytes | Path) -> str:
    """Return twelve hex digits for texts, bytes, files, and whole directories (names and contents)."""
    digest = hashlib.sha256()
    for part in parts:
        for name, content in _contents(part):
            for field in (name, content):
                digest.update(len(field).to_bytes(8, "big"))
                digest.update(field)
    return digest.hexdigest()[:12]


def _contents(part: str | bytes | Path) -> list[tuple[bytes, bytes]]:
    if isinstance(part, str):
        return [(b"", part.encode())]
    if isinstance(part, bytes):
        return [(b"", part)]
    if part.is_dir():
        files = sorted(path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return [(str(path.relative_to(part)).encode(), path.read_bytes()) for path in files]
    return [(part.name.encode(), part.read_bytes())]
