"""Builds an image of KEDA, its operator and its metrics adapter, from the Go module whose sums are committed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from e2e.cluster import engine as engines
from e2e.cluster import go_build, image_loading, kind_cluster
from e2e.cluster.commands import logged
from e2e.cluster.lock import exclusively
from e2e.cluster.paths import scratch_dir
from e2e.cluster.steps import step

if TYPE_CHECKING:
    from e2e.cluster.engine import Engine
    from e2e.cluster.steps import Step

_PROGRAMS = {"operator": "/keda", "adapter": "/keda-adapter"}
"""What is built, and what KEDA's manifests call it."""
_ANYBODY = 65532


def build_and_load() -> str:
    """Build the image and bring it to our cluster; return its name, which stands for its content.

    Raises:
        HarnessError: there is no Go and no way to get one, or a build failed.
    """
    with exclusively():
        with step("engine") as current:
            engine = engines.ensure(current)
        with step("KEDA image") as current:
            name = _build(engine, current)
            current.result(name)
        with step("load image") as current:
            image_loading.load(kind_cluster.cluster_name(), name)
            current.result("the cluster has it")
        return name


def _build(engine: Engine, step: Step) -> str:
    programs = go_build.programs(go_build.KEDA, step)
    name = f"eventplane/keda:{programs.name}"
    if not engine.has_image(name):
        with scratch_dir("keda-image") as context:
            for program in _PROGRAMS:
                os.link(programs / program, context / program)
            copied = "".join(f"COPY {program} {path}\n" for program, path in _PROGRAMS.items())
            (context / "Dockerfile").write_text(f"FROM scratch\n{copied}USER {_ANYBODY}:{_ANYBODY}\n")
            command = ["docker", "build", "--force-rm", "--network", "none", "--tag", name, str(context)]
            logged(command, "keda-image-build", step, env=engine.build_environment)
        engine.remove_images("eventplane/keda", keep=(name,))
    return name
