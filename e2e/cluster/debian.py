"""Installs the Debian packages the harness needs, where it may; elsewhere says what is missing."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster.commands import CommandError, HarnessError, find_program, logged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from e2e.cluster.steps import Step

_POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    """Say whether packages can be installed here: root on a Debian."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and find_program("apt-get") is not None


def ensure_programs(packages: Mapping[str, str], step: Step) -> None:
    """Install what is missing.

    Args:
        packages: the Debian package for each program.
        step: what the user is told about.

    Raises:
        HarnessError: something is missing and cannot be installed here; the message names it.
    """
    missing = [program for program in packages if find_program(program) is None]
    if not missing:
        return
    names = sorted({packages[program] for program in missing})
    if not can_install():
        raise HarnessError(
            f"missing: {', '.join(missing)}. Install them, or run as root on Debian where `apt-get install "
            f"{' '.join(names)}` is done for you."
        )
    step.tell(f"installing Debian packages: {' '.join(names)}")
    with _services_not_started():
        _install(names, step)


def _install(names: list[str], step: Step) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:  # one unreachable third-party source fails the update, though the Debian lists are fresh then
        logged(["apt-get", "update"], "apt-get-update", step, env=quiet)
    except CommandError as stale:
        step.tell(f"apt-get update was not complete, going on: {str(stale).splitlines()[0]}")
    logged(["apt-get", "install", "-y", "--no-install-recommends", *names], "apt-get-install", step, env=quiet)


@contextmanager
def _services_not_started() -> Iterator[None]:
    # A package's own service would be a second engine that nobody stops again.
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def mirror() -> str:
    """Return the address of the Debian archive this machine installs from; the official one if it says nothing."""
    sources = (*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("debian.*"))
    return mirror_in("\n".join(source.read_text() for source in sources)) or "http://deb.debian.org/debian"


def mirror_in(sources: str) -> str | None:
    """Return the first archive, not of security updates, that apt's source lists in either format name."""
    for line in sources.splitlines():
        words = [] if line.lstrip().startswith("#") else line.split()
        for word in words:
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                return word
    return None
