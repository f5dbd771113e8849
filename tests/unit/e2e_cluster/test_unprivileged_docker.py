"""The stand-in for `docker` that kind gets where the engine cannot grant CAP_SYS_RESOURCE."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import e2e.cluster

SCRIPT = Path(e2e.cluster.__file__).parent / "node" / "docker-unprivileged"
GRANTED = [
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    *("--security-opt", "systempaths=unconfined"),
    "--device-cgroup-rule=a *:* rwm",
    "--device=/dev/kmsg",
]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (["run", "--name", "n", "--privileged", "image"], ["run", "--name", "n", *GRANTED, "image"]),
        (["exec", "--privileged", "n", "sh"], ["exec", "n", "sh"]),
        (["run", "--privileged", "image", "--privileged"], ["run", *GRANTED, "image", "--privileged"]),
        (["inspect", "two words"], ["inspect", "two words"]),
    ],
)
def test_privileged_becomes_what_can_be_had(given: list[str], asked: list[str], tmp_path: Path) -> None:
    real = tmp_path / "docker"
    real.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    real.chmod(0o755)
    environment = {"EVENTPLANE_DOCKER": str(real), "PATH": "/usr/bin:/bin"}
    run = subprocess.run(["bash", SCRIPT, *given], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == asked
