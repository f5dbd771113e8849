"""Writes a directory as an image archive that engines and containerd load, without any of them."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_EPOCH = "1970-01-01T00:00:00Z"
_PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_archive(archive: Path, names: Sequence[str], entrypoint: Sequence[str], root: Path) -> None:
    """Write a one-layer image; the same input always gives the same bytes.

    Args:
        archive: file to write.
        names: references the image gets, e.g. `registry.k8s.io/pause:3.10`.
        entrypoint: program and arguments.
        root: directory that becomes the image's root, owned by root.
    """
    layer = archive.with_suffix(".layer")
    _write_layer(layer, root)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": _EPOCH,
            "config": {"Entrypoint": list(entrypoint), "Env": [_PATH], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": _EPOCH}],
        },
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{digest}/layer.tar"
    manifest = json.dumps([{"Config": config_name, "RepoTags": list(names), "Layers": [layer_name]}]).encode()
    with tarfile.open(archive, "w") as tar:
        _add_bytes(tar, config_name, config)
        tar.add(layer, layer_name, filter=_anonymous)
        _add_bytes(tar, "manifest.json", manifest)
    layer.unlink()


def _write_layer(layer: Path, root: Path) -> None:
    with tarfile.open(layer, "w") as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, str(path.relative_to(root)), recursive=False, filter=_anonymous)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
