"""Takes away what a stopped engine leaves in the kernel's file systems: mounts, empty cgroups, empty directories."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from e2e.cluster.commands import output

_CGROUPS = Path("/sys/fs/cgroup")
_EMPTY = ("/run/containerd/s", "/run/containerd", "/run/docker/plugins", "/run/docker")


def unmount_below(directory: Path) -> None:
    """Unmount what is mounted at or below a directory, the deepest first; raises CommandError if something is busy."""
    mounts = Path("/proc/self/mounts").read_text()
    for place in mounted_below(mounts, directory):
        output(["umount", place])


def mounted_below(mounts: str, directory: Path) -> list[Path]:
    """Return the mount points of a `/proc/mounts` that are at or below a directory, the deepest first."""
    places = (Path(line.split()[1].replace("\\040", " ")) for line in mounts.splitlines())
    return sorted((place for place in places if place.is_relative_to(directory)), reverse=True)


def remove_empty() -> None:
    """Remove the engine's cgroups and runtime directories where they are empty; those in use stay."""
    groups = [*_CGROUPS.glob("docker"), *_CGROUPS.glob("*/docker")]
    nested = [child for group in groups for child in group.rglob("*") if child.is_dir()]
    for directory in (*sorted(nested, reverse=True), *groups, *map(Path, _EMPTY)):
        with suppress(OSError):
            directory.rmdir()
