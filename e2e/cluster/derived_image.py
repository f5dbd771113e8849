"""Builds an image of a few files, from scratch or on top of another image, and brings it to the cluster."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from e2e.cluster import engine as engines
from e2e.cluster import image_loading, kind_cluster
from e2e.cluster.commands import logged
from e2e.cluster.content_key import content_key
from e2e.cluster.lock import exclusively
from e2e.cluster.paths import scratch_dir
from e2e.cluster.steps import step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from e2e.cluster.engine import Engine
    from e2e.cluster.steps import Step

NOBODY = "65532:65532"


def build_and_load(repository: str, dockerfile: str, files: Mapping[str, Path]) -> str:
    """Build an image unless the engine holds this content, bring it to our cluster, and return its name.

    Args:
        repository: what it is called, such as `eventplane/keda`; older ones of that name are removed.
        dockerfile: how it is built, without a network.
        files: what that may copy, by the name that it has there.

    Raises:
        HarnessError: there is no engine, or the build failed.
    """
    with exclusively():
        with step("engine") as current:
            engine = engines.ensure(current)
        with step(f"image {repository}") as current:
            name = _build(engine, repository, dockerfile, files, current)
            current.result(name)
        with step("load image") as current:
            image_loading.load(kind_cluster.cluster_name(), name)
            current.result("the cluster has it")
        return name


def _build(engine: Engine, repository: str, dockerfile: str, files: Mapping[str, Path], step: Step) -> str:
    bases = [line.split()[1] for line in dockerfile.splitlines() if line.startswith("FROM ")]
    given = engine.docker("image", "inspect", "--format", "{{.Id}}", *bases) if bases != ["scratch"] else ""
    name = f"{repository}:content-{content_key(dockerfile, given, *files.values())}"
    if not engine.has_image(name):
        with scratch_dir("derived-image") as context:
            for told, path in files.items():
                shutil.copy2(path, context / told)
            (context / "Dockerfile").write_text(dockerfile)
            command = ["docker", "build", "--force-rm", "--network", "none", "--tag", name, str(context)]
            logged(command, "derived-image-build", step, env=engine.build_environment)
        engine.remove_images(repository, keep=(name,))
    return name
