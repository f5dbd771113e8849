"""Builds the operator's image from uv.lock and the sources, and brings it to the cluster that runs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster import base_image, image_loading, kind_cluster, registry
from e2e.cluster import engine as engines
from e2e.cluster.commands import Words, logged, output
from e2e.cluster.content_key import content_key
from e2e.cluster.lock import exclusively
from e2e.cluster.paths import cache_dir, scratch_dir
from e2e.cluster.steps import step

if TYPE_CHECKING:
    from e2e.cluster.engine import Engine
    from e2e.cluster.steps import Step

DEVELOPMENT = "eventplane/operator:dev"
_ROOT = Path(__file__).resolve().parents[2]
_PUBLIC_BASE = "python:3.13-slim"
_ASK_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2])"


def build_and_load() -> str:
    """Build the image and bring it to our cluster if that runs; return its name, which stands for its content.

    Raises:
        HarnessError: no engine, no base image, or the build failed.
    """
    with exclusively():
        with step("engine") as current:
            engine = engines.ensure(current)
        with step("operator image") as current:
            name = build(engine, current)
            current.result(name)
        if kind_cluster.node_names(engine, kind_cluster.cluster_name()):
            with step("load image") as current:
                image_loading.load(kind_cluster.cluster_name(), name, DEVELOPMENT)
                current.result("the cluster has it")
        return name


def build(engine: Engine, step: Step) -> str:
    """Build the image unless the engine holds this content; tag it as `DEVELOPMENT` too; return its name."""
    base = _PUBLIC_BASE if registry.pull(engine, _PUBLIC_BASE, step) else base_image.ensure(engine, step)
    python = engine.docker("run", "--rm", "--entrypoint", "python3", base, "-c", _ASK_PYTHON, timeout=300).strip()
    dependencies = _dependencies(python, step)
    sources = [_ROOT / name for name in ("operator/eventplane", "pyproject.toml", "README.md", "LICENSE", "Dockerfile")]
    key = content_key(base, dependencies.name, *sources)
    name = f"eventplane/operator:content-{key}"  # never digits alone, which `helm --set` takes for a number
    if not engine.has_image(name):
        with scratch_dir("operator-image") as context:
            _add_project(context, python, step)
            shutil.copytree(dependencies, context / "dependencies", copy_function=os.link)
            words: Words = ["--network", "none", "--build-arg", f"BASE_IMAGE={base}", "--file", _ROOT / "Dockerfile"]
            command = ["docker", "build", "--force-rm", *words, "--tag", name, context]
            logged(command, "operator-image-build", step, env=engine.build_environment)
        engine.remove_images("eventplane/operator", keep=(name, DEVELOPMENT))
    engine.docker("tag", name, DEVELOPMENT)
    return name


def _dependencies(python: str, step: Step) -> Path:
    """Return a directory of the locked dependencies' wheels, unpacked for the image's Python."""
    words = [
        "--frozen",
        "--no-dev",
        "--extra",
        "operator",
        "--extra",
        "runtime",
        "--extra",
        "gateway",
        "--extra",
        "relay",
        "--extra",
        "otlp",
        "--no-emit-project",
        "--quiet",
    ]
    locked = output(["uv", "export", "--project", _ROOT, *words])
    ready = cache_dir() / "operator" / f"dependencies-{content_key(locked, python, platform.machine())}"
    if not ready.is_dir():
        with scratch_dir("operator-dependencies") as scratch:
            requirements = scratch / "requirements.txt"
            requirements.write_text(locked)
            _unpack(scratch / "tree", python, ["--require-hashes", "--requirement", requirements], step)
            shutil.rmtree(ready.parent, ignore_errors=True)
            ready.parent.mkdir()
            (scratch / "tree").rename(ready)
    return ready


def _add_project(context: Path, python: str, step: Step) -> None:
    wheels = context / "wheels"
    logged(["uv", "build", "--wheel", "--quiet", "--out-dir", wheels, _ROOT], "operator-wheel", step)
    _unpack(context / "project", python, list(wheels.glob("*.whl")), step)
    shutil.rmtree(wheels)


def _unpack(target: Path, python: str, wanted: list[str | Path], step: Step) -> None:
    """Install wheels into a directory for a Python and a Linux that need not be ours; programs are left out."""
    fitting = ["--python-version", python, "--python-platform", f"{platform.machine()}-unknown-linux-gnu"]
    words: Words = ["--python", sys.executable, "--target", target, "--no-deps", "--only-binary", ":all:", *fitting]
    logged(["uv", "pip", "install", "--link-mode", "copy", *words, *wanted], "operator-unpack", step)
    shutil.rmtree(target / "bin", ignore_errors=True)  # they name our interpreter
