"""Makes the Debian image that node and operator images stand on where no registry answers."""

from __future__ import annotations

import platform
import shutil
from typing import TYPE_CHECKING

from e2e.cluster import debian
from e2e.cluster.commands import find_program, logged, output
from e2e.cluster.content_key import content_key
from e2e.cluster.paths import scratch_dir

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.cluster.engine import Engine
    from e2e.cluster.steps import Step

_SUITE = "bookworm"
_INCLUDE = "python3,ca-certificates"
_DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt", "var/log")
_PROGRAMS = {"debootstrap": "debootstrap", "unshare": "util-linux", "tar": "tar"}


def reference() -> str:
    """Return the image's name."""
    return f"eventplane/base:{content_key(_SUITE, _INCLUDE, *_DROPPED, platform.machine())}"


def ensure(engine: Engine, step: Step) -> str:
    """Make the image unless the engine holds it; return its name.

    Raises:
        HarnessError: debootstrap is missing and cannot be installed, or failed.
    """
    name = reference()
    if engine.has_image(name):
        step.result("present")
        return name
    debian.ensure_programs(_PROGRAMS, step)
    with scratch_dir("base-image") as scratch:
        archive = _bootstrap(scratch, step)
        step.doing("importing the archive")
        changes = ("--change", 'CMD ["python3"]', "--change", "ENV LANG=C.UTF-8")
        engine.docker("import", *changes, archive, name, timeout=300)
    step.result(f"made {name}")
    return name


def _bootstrap(scratch: Path, step: Step) -> Path:
    root = scratch / "root"
    # In a mount namespace of its own: what debootstrap mounts goes with it, however it ends.
    command = ["unshare", "--mount", "--fork", "--kill-child", str(find_program("debootstrap"))]
    wanted = ["--variant=minbase", "--force-check-gpg", f"--include={_INCLUDE}", _SUITE, str(root), debian.mirror()]
    logged([*command, *wanted], "debootstrap", step)
    for dropped in _DROPPED:
        shutil.rmtree(root / dropped, ignore_errors=True)
        (root / dropped).mkdir()
    archive = scratch / "root.tar"
    output(["tar", "--numeric-owner", "-C", root, "-cf", archive, "."], timeout=120)
    shutil.rmtree(root)
    return archive
